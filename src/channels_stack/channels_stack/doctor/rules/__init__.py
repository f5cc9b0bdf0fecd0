"""The rules, a file for each subject. Numbers are stable: a rule that goes leaves a gap."""

from __future__ import annotations

import importlib

SUBJECTS = (
    "reading",
    "leftovers",
    "django_names",
    "routing",
    "layers",
    "layer_redis",
    "clients",
    "database",
    "security",
    "processes",
    "consumers",
    "handshakes",
    "recovery",
    "responses",
    "packages",
    "support",
    "translations",
    "folders",
)
LATER = ("running", "stack")  # what only --run and --stack look at


def load() -> None:
    """Import every file, which registers its rules."""
    for subject in (*SUBJECTS, *LATER):
        importlib.import_module(f"{__name__}.{subject}")
