"""The Django app: with it, ``{% static "channels_stack/recoverable.js" %}`` is the browser's client."""

from __future__ import annotations

from django.apps import AppConfig


class GroupsConfig(AppConfig):
    name = "channels_stack.groups"
    label = "channels_stack_groups"
    verbose_name = "Groups"
