"""The packages that an environment holds, by their names."""

from __future__ import annotations

from importlib.metadata import Distribution, distributions
from pathlib import Path

from dependencies.reading import canonical


def by_name(packages: Path) -> dict[str, Distribution]:
    """Package name -> what is installed of it in PACKAGES, a folder site-packages.

    An upgrade that was interrupted leaves folders without metadata, which are no packages.
    """
    found = {}
    for one in distributions(path=[str(packages)]):
        metadata = one.read_text("METADATA") or one.read_text("PKG-INFO")
        if metadata and one.metadata["Name"] and one.metadata["Version"]:
            found[canonical(one.metadata["Name"])] = one
    return found
