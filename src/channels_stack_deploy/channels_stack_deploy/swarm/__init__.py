"""Servers: what the engine's swarm is given, and what is read from it."""
