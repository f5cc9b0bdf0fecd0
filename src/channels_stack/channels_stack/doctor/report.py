"""Writes a report down, as text for people or as JSON for programs."""

from __future__ import annotations

import json
import textwrap

from .examine import Report
from .findings import Rule

WIDTH = 110
INDENT = " " * 8


def as_text(report: Report) -> str:
    """The findings, grouped by file, and a line that sums them up."""
    lines: list[str] = []
    path = None
    for finding in report.findings:
        if finding.place.path != path:
            path = finding.place.path
            lines += ["", path] if lines else [path]
        line = f"{finding.place.line}: " if finding.place.line else ""
        lines += _wrapped(f"{line}{finding.id} {finding.wrong}", " " * 2, " " * 8)
        lines += _wrapped(f"In production: {finding.production}", INDENT, INDENT)
        lines += _wrapped(f"Instead: {finding.instead}", INDENT, INDENT)
    return "\n".join([*lines, "", summary(report)] if lines else [summary(report)])


def summary(report: Report) -> str:
    """One line: how much was found in how much."""
    errors, warnings = report.errors, len(report.findings) - report.errors
    found = f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"
    read = f" in {_count(report.files, 'Python file')}" if report.files else ""
    settings = f"; settings: {', '.join(report.settings)}" if report.settings else ""
    silenced = f"; {report.silenced} silenced" if report.silenced else ""
    left_out = f"; {report.left_out} left out, which the stack itself sets right" if report.left_out else ""
    return found + read + settings + silenced + left_out


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    """The text, wrapped; lines of code stay as they are."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("    "):
            lines.append(f"{rest}{line}")
        else:
            wrapper = textwrap.TextWrapper(WIDTH, rest if lines else first, rest)
            wrapper.break_long_words = wrapper.break_on_hyphens = False
            lines += wrapper.wrap(line)
    return lines


def as_json(report: Report) -> str:
    """The same, for programs."""
    found = [
        {
            "id": finding.id,
            "level": "error" if finding.is_error else "warning",
            "file": finding.place.path,
            "line": finding.place.line or None,
            "problem": finding.wrong,
            "production": finding.production,
            "instead": finding.instead,
        }
        for finding in report.findings
    ]
    summed_up = {
        "errors": report.errors,
        "warnings": len(found) - report.errors,
        "silenced": report.silenced,
        "files": report.files,
        "settings": report.settings,
        "notes": report.notes,
        "failures": report.failures,
    }
    return json.dumps({"findings": found, "summary": summed_up}, indent=2, ensure_ascii=False)


def list_as_text(rules: list[Rule]) -> str:
    """Every rule with its documentation."""
    lines: list[str] = []
    for rule in rules:
        lines += [f"{rule.id}  {rule.title}"]
        lines += _wrapped(f"In production: {rule.production}", INDENT, INDENT)
        lines += [*_wrapped(f"Instead: {rule.instead}", INDENT, INDENT), ""]
    return "\n".join([*lines, _count(len(rules), "rule")])


def list_as_json(rules: list[Rule]) -> str:
    """The same, for programs."""
    listed = [
        {
            "id": rule.id,
            "title": rule.title,
            "production": rule.production,
            "instead": rule.instead,
            "looks_at": rule.looks_at,
            "deploy": rule.deploy,
        }
        for rule in rules
    ]
    return json.dumps({"rules": listed}, indent=2, ensure_ascii=False)
