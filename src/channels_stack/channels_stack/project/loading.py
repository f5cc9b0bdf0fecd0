"""Loading the project: Django with its settings through the overlay, and the ASGI application that APP_ASGI names."""

from __future__ import annotations

import importlib
import os

from ..asgi.types import App
from ..config import importing
from ..config.environment import ConfigurationError, Problem
from ..config.settings import Settings
from ..observability import logs
from . import kept_connections


def setup_django(settings: Settings, service: str) -> None:
    """``django.setup()`` for APP_SETTINGS, through the overlay. Logs are in our form before and after it."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "channels_stack.overlay"
    kept_connections.service = service
    purpose = "the Django settings module"
    importing.settings_module("APP_SETTINGS", purpose, settings.app_settings)
    import django
    from django.conf import settings as project
    from django.core.exceptions import ImproperlyConfigured

    kinds = (ImportError, SyntaxError, ImproperlyConfigured)
    with importing.reported("APP_SETTINGS", purpose, settings.app_settings, *kinds):
        django.setup()  # imports INSTALLED_APPS and their models
    logs.configure(settings, service)  # django.setup() has applied the project's LOGGING
    # get_asgi_application(), which every asgi.py calls, is one more django.setup(): it would take the form back.
    project.LOGGING_CONFIG = None


def load(settings: Settings) -> App:
    """The application that APP_ASGI names. Raises ConfigurationError when it names none."""
    purpose = "the ASGI application, as module:attribute"
    module_name, _, attribute = settings.app_asgi.partition(":")
    target: object = importing.module("APP_ASGI", purpose, module_name)
    for part in attribute.split("."):
        if not hasattr(target, part):
            wrong = f"is {settings.app_asgi!r}, but the module {module_name} has no attribute {attribute!r}"
            raise ConfigurationError([Problem("APP_ASGI", wrong, purpose, "config.asgi:application")])
        target = getattr(target, part)
    if not callable(target):
        wrong = f"is {settings.app_asgi!r}, which cannot be called and so is no ASGI application"
        raise ConfigurationError([Problem("APP_ASGI", wrong, purpose, "config.asgi:application")])
    return target


def load_urls() -> None:
    """Import the project's URLs and their views, as Django would later. Raises ConfigurationError."""
    from django.conf import settings as project

    if path := getattr(project, "ROOT_URLCONF", None):
        with importing.reported("ROOT_URLCONF", "the project's URLs", str(path), Exception):
            importlib.import_module(path)


def close_database_pools() -> None:
    """Close psycopg's pools: the threads of one left open hold up the end of the process, 5 s each."""
    from django.db import connections

    for connection in connections.all():
        if getattr(connection, "pool", None) is not None:
            connection.close_pool()
