"""Everything that replaces something in another package: one module for each package."""
