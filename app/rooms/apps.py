"""The application "rooms"."""

import atexit

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_delete

from channels_stack.groups import publish_on_commit


class RoomsConfig(AppConfig):
    """Rooms with live messages, and reports about them."""

    name = "rooms"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        """Tell those in a room when it is deleted, by whatever page or command."""
        post_delete.connect(_deleted, sender=self.get_model("Room"))
        # Close the pool of database connections at exit: its threads would delay the exit by seconds.
        atexit.register(_close_pools)


def _deleted(instance, using, **_) -> None:
    publish_on_commit(instance.group, {"type": "room.deleted"}, using=using)


def _close_pools() -> None:
    for connection in connections.all(initialized_only=True):
        if hasattr(connection, "close_pool"):
            connection.close_pool()
