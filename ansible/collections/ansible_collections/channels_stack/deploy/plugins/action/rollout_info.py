"""Report which release runs, and what of it is missing."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import rollout
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/rollout_info.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """Reads only."""
        name, missing = rollout.standing(engine)
        return {"changed": False, "release": name, "missing": missing, "services": sorted(engine.services())}
