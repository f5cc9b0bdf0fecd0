"""What a process counts and writes: metrics, logs, and what a line of the log may hold."""
