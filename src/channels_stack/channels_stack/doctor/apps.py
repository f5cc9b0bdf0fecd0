"""The doctor as an app: "channels_stack.doctor" in INSTALLED_APPS adds its rules to `manage.py check`."""

from __future__ import annotations

from django.apps import AppConfig


class DoctorConfig(AppConfig):
    """Registers the system checks."""

    name = "channels_stack.doctor"
    label = "channels_stack_doctor"

    def ready(self) -> None:
        """Add the checks to Django's registry."""
        from . import checks

        checks.register()
