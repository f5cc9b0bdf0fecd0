"""Runs the rules and gathers what they find."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from .findings import CODE, PREFIX, RUN, SETTINGS, STACK, Finding, Rule, masked, rules
from .project import Project
from .values import texts

# Rule of the imported project -> rule about the sources that says the same at a better place.
COVERED_BY = {
    "E804": ("E201",),
    "E805": ("E502",),
    "E803": ("E203", "E111"),
    "E806": ("E108", "E109", "E304"),
    "E802": ("E202", "E101", "E102", "E103", "E104", "E106", "E107", "E001"),
}


@dataclass
class Report:
    """What was found. ``failures`` are rules that did not work; ``notes`` say what was not looked at."""

    findings: list[Finding] = field(default_factory=list)
    silenced: int = 0
    left_out: int = 0  # of what the stack itself sets right
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    settings: list[str] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.is_error for finding in self.findings)


def examine(
    project: Project | None,
    run: Callable[[Project], Any] | None = None,
    stack: Callable[[Project | None], Any] | None = None,
    without: Collection[str] = (),
) -> Report:
    """Apply all rules to ``project`` but those of the numbers ``without``, which are counted.

    ``run`` imports it first, ``stack`` looks at a running stack.
    """
    report = Report()
    if project:
        imported = run(project) if run else None
        _apply(rules(SETTINGS, CODE), project, report)
        if imported:
            _apply(rules(RUN), imported, report)
            ids = {finding.id[len(PREFIX) :] for finding in report.findings}
            report.findings = [
                one for one in report.findings if not ids & set(COVERED_BY.get(one.id[len(PREFIX) :], ()))
            ]
        report.findings = _heard(project, report)
        spoken = [one for one in report.findings if one.id[len(PREFIX) :] not in without]
        report.left_out = len(report.findings) - len(spoken)
        report.findings = spoken
        report.files = len(project.all_modules)
        report.settings = [settings.path for settings in project.settings]
        if not project.settings:
            report.notes.append("no settings module was found: only the code was read")
    if stack:
        looked_at = stack(project)
        _apply(rules(STACK), looked_at, report)
        report.notes += looked_at.notes
    report.findings.sort(key=lambda one: (one.place, one.id))
    return report


def examine_settings(project: Project, chosen: Iterable[Rule]) -> Report:
    """Apply some rules about settings and code to ``project``."""
    report = Report()
    _apply(chosen, project, report)
    report.findings = _heard(project, report)
    return report


def _apply(chosen: Iterable[Rule], subject: Any, report: Report) -> None:
    for rule in chosen:
        try:
            found = list(rule.findings(subject))
        except Exception as error:  # one rule that fails must not hide what the others see
            report.failures.append(f"{rule.id} failed: {type(error).__name__}: {error}")
            continue
        for finding in dict.fromkeys(found):
            report.findings.append(dataclasses.replace(finding, wrong=masked(finding.wrong)))


def _heard(project: Project, report: Report) -> list[Finding]:
    """The findings that are not silenced, by SILENCED_SYSTEM_CHECKS or by a comment on the line."""
    silenced = {
        name for settings in project.settings for name, _ in texts(settings["SILENCED_SYSTEM_CHECKS"])
    }
    heard = []
    for finding in report.findings:
        module = project.files.modules.get(finding.place.path)
        ignored = module.ignored.get(finding.place.line, set()) if module else set()
        if finding.id in silenced or finding.id[len(PREFIX) :] in ignored:
            report.silenced += 1
        else:
            heard.append(finding)
    return heard
