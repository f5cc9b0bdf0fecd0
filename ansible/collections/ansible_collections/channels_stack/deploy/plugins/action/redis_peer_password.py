"""Let a Redis node and its Sentinel log in to the others with the newest password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.paths import Deployment
from channels_stack_deploy.swarm import redis_ha
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/redis_peer_password.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """A login between nodes is no state that a task reports."""
        if not self.check:
            redis_ha.use(engine, Deployment(Path(options["folder"])), options["config"], options["node"])
        return {"changed": False}
