"""What a process is given from outside: environment variables, settings, addresses, and imports of the project's modules."""
