"""Report which services a rendered release would change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import history
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/release_diff.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """In a check run of a new environment there is no rendered file."""
        rendered = Path(options["rendered"])
        text = rendered.read_text() if rendered.exists() else ""
        return {
            "changed": False,
            "services": history.differs(engine, options["folder"], text) if text else [],
        }
