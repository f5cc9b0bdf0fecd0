"""What packages say only in their extras: the versions of another package that they work with.

`celery==5.4.0` and `redis==5.0.6` install without a word, with the newest kombu, which refuses that redis once it is
asked to connect: kombu names its versions of redis in its extra `redis`, and pip reads an extra only where it is asked
for. Where both packages are installed that extra is meant, so it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import installed
from dependencies.reading import canonical


@dataclass(frozen=True)
class Clash:
    """A package whose extra, which is named after OTHER, does not allow the OTHER that is installed."""

    package: str
    version: str
    other: str
    present: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.package} {self.version} works with {self.other}{self.allowed}, and {self.other} is {self.present}"

    @property
    def requirement(self) -> str:
        """What makes pip choose versions that fit."""
        return f"{self.package}[{self.other}]"


def clashes(packages: Path) -> list[Clash]:
    """Those of PACKAGES, a folder site-packages.

    An exact version in an extra is what its author tested last, and no limit: those are passed over.
    """
    from pip._vendor.packaging.requirements import InvalidRequirement, Requirement

    present = installed.by_name(packages)
    found = []
    for name, distribution in sorted(present.items()):
        for text in distribution.requires or []:
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                continue
            other = canonical(requirement.name)
            if other not in present or not requirement.marker:
                continue
            if requirement.marker.evaluate({"extra": ""}) or not requirement.marker.evaluate(
                {"extra": other}
            ):
                continue
            version = present[other].version
            exact = any(one.operator.startswith("==") for one in requirement.specifier)
            if not exact and not requirement.specifier.contains(version, prereleases=True):
                found.append(Clash(name, distribution.version, other, version, str(requirement.specifier)))
    return found
