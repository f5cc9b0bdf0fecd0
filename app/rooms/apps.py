"""The application "rooms"."""

from django.apps import AppConfig


class RoomsConfig(AppConfig):
    """Rooms with live messages, and reports about them."""

    name = "rooms"
    default_auto_field = "django.db.models.BigAutoField"
