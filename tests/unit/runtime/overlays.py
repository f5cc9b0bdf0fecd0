"""Settings of projects, and what the overlay makes of them."""

from __future__ import annotations

from typing import Any

from channels_stack.config.settings import Settings
from channels_stack.project import parts

KEY = "k3y-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2

REQUIRED = {
    "SECRET_KEY": KEY,
    "DATABASE_URL": "postgresql://app:p%40ss@db:5432/app",
    "REDIS_URL": "redis://app:hunter2@redis:6379/0",
    "DOMAINS": "a.example b.example",
    "APP_WORKER_CHANNELS": "",
}

OLD = "django-insecure-abcdefghijkl"

CORE = "channels_redis.core.RedisChannelLayer"

GROUPS = "channels_stack.groups.RedisGroupsChannelLayer"

MEMORY = {"BACKEND": "channels.layers.InMemoryChannelLayer"}


def changed(project: dict[str, Any], **environ: str) -> dict[str, Any]:
    """Name -> value of what the overlay sets over PROJECT."""
    settings = Settings.from_environment({**REQUIRED, **environ})
    return {each.name: each.value for each in parts.find(project, settings, settings.app_overlay)}


def layer(host: Any, backend: str = CORE) -> dict[str, Any]:
    """A layer of channels_redis with one host."""
    return {"BACKEND": backend, "CONFIG": {"hosts": [host]}}
