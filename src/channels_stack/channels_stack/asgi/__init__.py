"""ASGI without an application: types, one request in flight, short answers."""
