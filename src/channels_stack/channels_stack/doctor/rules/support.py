"""Series of Django and Python that get no security fixes any more."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from ..findings import Found, Place, rule
from ..project import Project
from ..pythons import debian, declared, newest, number

# Series -> the last day of the month in which its fixes end. https://www.djangoproject.com/download/#supported-versions
# and https://devguide.python.org/versions/, as of November 2026. Only series that are out have a line.
DJANGO = {
    "1.11": "2020-04-30",
    "2.0": "2019-04-30",
    "2.1": "2019-12-31",
    "2.2": "2022-04-30",
    "3.0": "2021-04-30",
    "3.1": "2021-12-31",
    "3.2": "2024-04-30",
    "4.0": "2023-04-30",
    "4.1": "2023-12-31",
    "4.2": "2026-04-30",
    "5.0": "2025-04-30",
    "5.1": "2025-12-31",
    "5.2": "2028-04-30",
    "6.0": "2027-04-30",
    "6.1": "2027-12-31",
}
PYTHON = {
    "3.6": "2021-12-31",
    "3.7": "2023-06-30",
    "3.8": "2024-10-31",
    "3.9": "2025-10-31",
    "3.10": "2026-10-31",
    "3.11": "2027-10-31",
    "3.12": "2028-10-31",
    "3.13": "2029-10-31",
    "3.14": "2030-10-31",
}
LONGEST = "5.2"  # Django's series with long-term support that is proposed


@rule("W708")
def unsupported(project: Project) -> Found:
    """A series that gets no security fixes any more

    In production: published vulnerabilities stay open.

    Instead: raise the bound to a supported series, and lock again.
    """
    for place, name, series, ended in _ended(project, datetime.date.today()):
        if name == "Django":
            better = f"raise the bound and lock again; {LONGEST} gets fixes until {DJANGO[LONGEST]}.\n    django~={LONGEST}"
        else:
            better = f"take a newer one: APP_DEBIAN={debian((3, 13))} has Python 3.13"
        yield place, f"{name} {series} has had no security fixes since {ended}", better


def _ended(project: Project, today: datetime.date) -> Iterable[tuple[Place, str, str, str]]:
    """Each place that takes nothing newer than a series that has ended: place, name, series, its last day."""
    found = project.packages.find("django")
    for one in [each for each in found if each.locked] or found:
        taken = [series for series in DJANGO if not one.excludes(series)]
        if taken and _is_over(DJANGO[taken[-1]], today) and len(taken) < len(DJANGO):
            yield one.place, "Django", taken[-1], DJANGO[taken[-1]]
    for place, words in declared(project.files):
        version = newest(words)
        last = PYTHON.get(number(version)) if version else None
        if version and last and _is_over(last, today):
            yield place, "Python", number(version), last


def _is_over(last: str, today: datetime.date) -> bool:
    return datetime.date.fromisoformat(last) < today
