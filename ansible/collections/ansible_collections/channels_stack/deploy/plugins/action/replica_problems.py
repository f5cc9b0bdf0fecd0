"""Print why the replicas of a host do not serve."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import replicas
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/replica_problems.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """In one call: hosts report at the same time."""
        if problems := replicas.why(engine):
            engine.tell("\n".join(f"    {line}" for line in problems))
        return {"changed": False}
