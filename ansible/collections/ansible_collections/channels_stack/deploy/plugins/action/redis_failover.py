"""Let another Redis node be the master."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import redis_ha
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/redis_failover.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """Which node is the master is no state that a task reports."""
        engine.tell(f"    {redis_ha.hand_over(engine, options['node'])}")
        return {"changed": False}
