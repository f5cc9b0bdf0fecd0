# ruff: noqa
"""ASGI entry point, as the documentation of Channels 2 had it."""

import os

import django
from channels.routing import get_default_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bulletin.settings")
django.setup()
application = get_default_application()  # planted: E206
