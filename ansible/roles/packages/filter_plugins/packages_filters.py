"""Which hosts the controller has packages for."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "src/channels_stack_deploy"))

from channels_stack_deploy.build import packages


class FilterModule:
    """What Ansible looks for."""

    def filters(self):
        """{{ 'ubuntu 24.04' | packages_refused }}: why such a host can have none, "" if it can."""
        return {"packages_refused": packages.refused}
