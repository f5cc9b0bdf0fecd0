"""An ASGI module with a bug."""

raise RuntimeError("this module cannot be imported")
