"""Report which migrations of the database a release does not know."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import history
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/migrations_info.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """Also in a check run: the answer decides whether the rest would happen."""
        unknown = history.unknown(engine, options["path"], options["current"], options["seconds"])
        return {
            "changed": False,
            "unknown": [migration["name"] for migration in unknown],
            "incompatible": [migration for migration in unknown if migration["reason"]],
        }
