"""Report which of three Redis nodes a file would replace."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import redis_ha
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/redis_diff.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """The definition is only on the controller in a check run."""
        return {
            "changed": False,
            "nodes": [] if self.check else redis_ha.differing(engine, options["path"], options["current"]),
        }
