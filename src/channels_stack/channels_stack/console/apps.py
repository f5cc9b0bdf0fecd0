"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "channels_stack.console"
    label = "channels_stack_console"
    verbose_name = "Console"
    default_auto_field = "django.db.models.BigAutoField"
