"""One machine: Docker Compose, from the check of the machine to a rolling release."""
