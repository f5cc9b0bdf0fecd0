"""The part `sessions`, and what else a project keeps in one process that all of them should see.

Django's default cache is in the memory of each process: a session in it is there for one request and gone for the
next, a throttle counts as often as there are processes.
"""

from __future__ import annotations

import os
from typing import Any

from ..config.environment import Problem
from ..config.settings import Settings
from .override import Found, Override, Project

BACKENDS = "django.core.cache.backends."
LOCAL_CACHES = (f"{BACKENDS}locmem.LocMemCache", f"{BACKENDS}dummy.DummyCache")
SESSIONS = "django.contrib.sessions"
CREATE = f"{BACKENDS}db.DatabaseCache (APP_RELEASE_COMMANDS=createcachetable) or a cache server"


def find(project: Project, settings: Settings) -> Found:
    """Sessions in memory or in files move to the database."""
    engine = str(project.get("SESSION_ENGINE") or "").rpartition(".")[2]
    alias = project.get("SESSION_CACHE_ALIAS") or "default"
    if engine in ("cache", "cached_db") and _is_local(project, alias):
        where = f"the cache {alias!r} is in the memory of each process"
    elif engine == "file":
        where = "files are in one container"
    else:
        return
    if SESSIONS in (project.get("INSTALLED_APPS") or ()):  # else there is no table for them
        yield Override(
            "SESSION_ENGINE", f"{SESSIONS}.backends.db", f"the database instead of {engine}: {where}"
        )


def risks(project: Project) -> list[str]:
    """One line for each thing that stays in one process, with the fix."""
    lines = []
    apps = project.get("INSTALLED_APPS") or ()
    users = []
    rest = project.get("REST_FRAMEWORK") or {}
    if rest.get("DEFAULT_THROTTLE_CLASSES") or rest.get("DEFAULT_THROTTLE_RATES"):
        users.append("the throttles of REST_FRAMEWORK")
    if "django_ratelimit" in apps or "ratelimit" in apps:
        users.append("django-ratelimit")
    if str(project.get("AXES_HANDLER") or "").endswith("CacheHandler"):
        users.append("AXES_HANDLER")
    if users and _is_local(project, "default"):
        lines.append(
            f"CACHES['default'] is in the memory of each process, and so is what {', '.join(users)} count; use {CREATE}"
        )
    if "django_eventstream" in apps and not project.get("EVENTSTREAM_REDIS"):
        lines.append(
            "django_eventstream keeps its listeners in each process: an event reaches those of one process only; "
            "set EVENTSTREAM_REDIS"
        )
    return [*lines, *_cookie_domains(project)]


def problems(project: Project) -> list[Problem]:
    """Caches in folders that no process may write to: Django's own check of them is a traceback."""
    return [
        Problem(
            f"CACHES[{alias!r}]",
            f"{cache['LOCATION']} is read-only: name a folder of the project's in APP_VOLUMES, or use {CREATE}",
        )
        for alias, cache in (project.get("CACHES") or {}).items()
        if "filebased" in str(cache.get("BACKEND", "")) and not _writable(str(cache.get("LOCATION") or ""))
    ]


def _cookie_domains(project: Project) -> list[str]:
    lines = []
    hosts = [
        host for host in project.get("ALLOWED_HOSTS") or () if "*" not in host and not host.startswith(".")
    ]
    for name in ("SESSION_COOKIE_DOMAIN", "CSRF_COOKIE_DOMAIN"):
        domain = str(project.get(name) or "").lstrip(".")
        outside = [host for host in hosts if domain and host != domain and not host.endswith(f".{domain}")]
        if outside:
            lines.append(
                f"{name} is {project[name]!r}: no browser keeps that cookie at {', '.join(outside)} (DOMAINS), where no visitor "
                "can sign in; take the setting away, or name only hosts below it in DOMAINS"
            )
    return lines


def _is_local(project: Project, alias: Any) -> bool:
    cache = (project.get("CACHES") or {}).get(alias) or {}
    return str(cache.get("BACKEND") or LOCAL_CACHES[0]) in LOCAL_CACHES


def _writable(path: str) -> bool:
    """Whether a folder at PATH is there and ours, or could be made."""
    path = os.path.abspath(path)
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return os.access(path, os.W_OK)
