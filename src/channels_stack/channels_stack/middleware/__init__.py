"""ASGI middlewares around the application; `servers.application` lists them, outermost first."""
