"""The program of the edge's container: starts HAProxy, reloads it without an interruption, drains and stops it."""
