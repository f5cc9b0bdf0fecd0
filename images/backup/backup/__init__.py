"""Backups of the stack's PostgreSQL by pgBackRest and of the jobs that wait in Redis; and their restore."""
