"""Replace the tasks of services step by step."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import jobs, rollout
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/rollout.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """The definition is only on the controller in a check run, so there is nothing to compare."""
        path, current = options["path"], options["current"]
        if self.check:
            return {"changed": True}
        if current and jobs.same(engine, path, current):
            return {"changed": False, "rolled": []}
        rolled = rollout.roll(
            engine, path, options["seconds"], prune=options["prune"], only=options["services"]
        )
        return {"changed": True, "rolled": rolled}
