"""The application that `make bench` measures: the same code under every server."""
