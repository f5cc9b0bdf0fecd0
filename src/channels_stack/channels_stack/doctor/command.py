"""`channels-stack doctor`.

Exit codes: 0 nothing was found, or only warnings; 1 errors; 2 the project or the stack could not be read, with the
reason on standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from ..config.environment import ConfigurationError
from ..observability.terminal import printable
from . import report as reports
from .examine import Report, examine
from .findings import rules
from .moot import unspoken
from .project import NotAProjectError, Project

ERRORS, UNREADABLE = 1, 2


def main(options: argparse.Namespace) -> int:
    """Do what ``options`` (see ``arguments``) say; the exit code."""
    if options.list:
        print(reports.list_as_json(rules()) if options.json else reports.list_as_text(rules()))
        return 0
    try:
        report = _examined(options)
    except NotAProjectError as error:
        return _refuse(str(error))
    except ConfigurationError as error:
        return _refuse(*map(str, error.problems))
    try:
        print(reports.as_json(report) if options.json else printable(reports.as_text(report)), flush=True)
    except BrokenPipeError:  # `doctor | head`: whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for line in report.notes:
        print(f"channels-stack doctor: {printable(line)}", file=sys.stderr)
    if report.failures:
        return _refuse(*(f"a bug of the doctor: {line}" for line in report.failures))
    return ERRORS if report.errors else 0


def _refuse(*lines: str) -> int:
    for line in lines:
        print(f"channels-stack doctor: {printable(line)}", file=sys.stderr)
    return UNREADABLE


def _examined(options: argparse.Namespace) -> Report:
    notes: list[str] = []
    project = _project(options, notes)

    def run(read: Project) -> Any:
        from .live import Imported

        return Imported(read, options.settings, options.asgi or os.environ.get("APP_ASGI", ""))

    def stack(read: Project | None) -> Any:
        from .stack import Stack

        return Stack(read)

    overlay, own_redis = os.environ.get("APP_OVERLAY", "on").split(), os.environ.get("APP_REDIS", "")
    without = unspoken(overlay, own_redis) if options.deployed else set()
    report = examine(project, run if options.run else None, stack if options.stack else None, without)
    report.notes = [*notes, *report.notes]
    return report


def _project(options: argparse.Namespace, notes: list[str]) -> Project:
    """The project at PATH; APP_SETTINGS counts where it names one of its modules."""
    from_environment = os.environ.get("APP_SETTINGS", "")
    roots = os.environ.get("APP_PATH", "").replace(":", " ").split()
    if not options.settings and from_environment:
        try:
            project = Project(options.path, from_environment, roots)
            options.settings = from_environment
            return project
        except NotAProjectError:
            project = Project(options.path, roots=roots)
            notes.append(f"APP_SETTINGS is {from_environment}, which is not in {options.path}: not used")
            return project
    return Project(options.path, options.settings, roots)
