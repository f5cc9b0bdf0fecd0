"""What a process is told from outside: environment variables, settings, addresses, and imports of the project's modules."""
