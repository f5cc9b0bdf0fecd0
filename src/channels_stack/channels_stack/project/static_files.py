"""Static files: collected into the stack's folder, from all that the project has, under names with a hash."""

from __future__ import annotations

import os
from pathlib import Path

from ..config.settings import Settings
from .override import Found, Override, Project

PLAIN_STATIC = "django.contrib.staticfiles.storage.StaticFilesStorage"
HASHED_STATIC = "channels_stack.static_storage.HashedStaticFilesStorage"
STATIC_ROOT_FINDER = "channels_stack.static_finder.StaticRootFinder"
FINDERS = (
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
)
"""Django's default."""


def find(project: Project, settings: Settings) -> Found:
    """Where static files are collected, from where, and under which names."""
    if "django.contrib.staticfiles" not in project.get("INSTALLED_APPS", ()):
        return
    own = str(project.get("STATIC_ROOT") or "")
    if own != settings.static_root:
        yield Override("STATIC_ROOT", settings.static_root, settings.static_root, before=own)
        yield from _of_static_root(project, own)
    if not project.get("STATIC_URL"):
        yield Override("STATIC_URL", "/static/", "the project has none")
    if not settings.debug:
        yield from _hashed(project)


def _of_static_root(project: Project, own: str) -> Found:
    """Files that the project keeps in its STATIC_ROOT itself: whoever serves that folder serves them."""
    held = [
        os.path.abspath(str(each))
        for each in project.get("STATICFILES_DIRS") or ()
        if isinstance(each, (str, Path))
    ]
    if not own or os.path.abspath(own) in held or not any(files for _, _, files in os.walk(own)):
        return
    value = [*(project.get("STATICFILES_FINDERS") or FINDERS), STATIC_ROOT_FINDER]
    yield Override(
        "STATICFILES_FINDERS", value, f"files that are nowhere but in {own}, the project's STATIC_ROOT, too"
    )


def _hashed(project: Project) -> Found:
    """Names with a hash, where the project has Django's default: pages of two releases find their own files."""
    import django

    why = "names with a hash of the content, for caches"
    if django.VERSION < (4, 2) or "STATICFILES_STORAGE" in project:
        if project.get("STATICFILES_STORAGE", PLAIN_STATIC) == PLAIN_STATIC:
            yield Override("STATICFILES_STORAGE", HASHED_STATIC, why)
        return
    storages = project.get("STORAGES") or {}
    own = storages.get("staticfiles") or {"BACKEND": PLAIN_STATIC}
    if own.get("BACKEND") == PLAIN_STATIC:
        files = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
        if "DEFAULT_FILE_STORAGE" in project:  # Django 4.2 and 5.0 refuse both ways of saying it
            yield Override("STATICFILES_STORAGE", HASHED_STATIC, why)
            return
        yield Override(
            "STORAGES", {"default": files, **storages, "staticfiles": {**own, "BACKEND": HASHED_STATIC}}, why
        )
