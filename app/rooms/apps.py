"""The application "rooms"."""

import atexit

from django.apps import AppConfig
from django.db import connections


class RoomsConfig(AppConfig):
    """Rooms with live messages, and reports about them."""

    name = "rooms"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        """Close the pool of database connections at exit: its threads would delay the exit by seconds."""
        atexit.register(_close_pools)


def _close_pools() -> None:
    for connection in connections.all(initialized_only=True):
        if hasattr(connection, "close_pool"):
            connection.close_pool()
