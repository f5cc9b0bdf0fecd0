"""The program of the edge's container: starts HAProxy, reloads it without a gap, drains and stops it."""
