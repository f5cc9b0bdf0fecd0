"""The doctor's rules as Django's system checks, with the same ids.

Either "channels_stack.doctor" is in INSTALLED_APPS, or something that has called django.setup() calls
``register()``: then no project has to change. A release of the stack asks for them by itself (``deployed``).
What makes sense only where DEBUG is off is checked with --deploy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from django.core import checks

from .examine import Report, examine_settings
from .findings import CODE, SETTINGS, Finding, Rule, rules
from .live import installed, live_settings
from .project import NotAProjectError, Project

TAG = "channels_stack"
OVERLAY = "channels_stack.overlay"
DEFAULT_SETTINGS = "config.settings"


def register() -> None:
    """Add the checks to Django's registry; a second call changes nothing."""
    checks.register(check, TAG)
    checks.register(check_deployment, TAG, deploy=True)


def check(app_configs: Any = None, **_: Any) -> list[checks.CheckMessage]:
    """What is wrong everywhere."""
    return messages(rule for rule in rules(SETTINGS, CODE) if not rule.deploy)


def check_deployment(app_configs: Any = None, **_: Any) -> list[checks.CheckMessage]:
    """What is wrong in production."""
    return messages(rule for rule in rules(SETTINGS, CODE) if rule.deploy)


def messages(chosen: Iterable[Rule]) -> list[checks.CheckMessage]:
    """What these rules find in the project whose Django is set up."""
    name = os.environ.get("DJANGO_SETTINGS_MODULE")
    if name == OVERLAY:  # has given the project's own module the same values
        name = os.environ.get("APP_SETTINGS", DEFAULT_SETTINGS)
    if name is None:
        return []  # settings.configure(): there is no module to look at
    try:
        project = _project(name)
    except NotAProjectError:
        return []  # no sources here, only an installed package
    report = examine_settings(project, chosen)
    return [*map(_message, report.findings), *_failures(report)]


def _project(name: str) -> Project:
    """The sources around the running settings, ``module`` or ``module:class``, with their values."""
    module = name.partition(":")[0]
    file = getattr(sys.modules.get(module), "__file__", None) or "."
    root = os.path.abspath(file)
    for _ in range(module.count(".") + 1 + (os.path.basename(file) == "__init__.py")):
        root = os.path.dirname(root)
    project = Project(root, name)
    project.settings = [live_settings(project.settings[0], module)]
    project.packages.installed = installed()
    return project


def _message(finding: Finding) -> checks.CheckMessage:
    kind = checks.Error if finding.is_error else checks.Warning
    return kind(
        f"{finding.wrong}. {finding.production}", hint=finding.instead, obj=str(finding.place), id=finding.id
    )


def _failures(report: Report) -> Sequence[checks.CheckMessage]:
    return [
        checks.Warning(f"a bug of the doctor: {line}", id="channels_stack.W000") for line in report.failures
    ]
