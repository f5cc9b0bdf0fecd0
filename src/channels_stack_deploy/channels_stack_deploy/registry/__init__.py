"""How images reach servers: through a registry, over SSH, or through a registry of the stack's own."""
