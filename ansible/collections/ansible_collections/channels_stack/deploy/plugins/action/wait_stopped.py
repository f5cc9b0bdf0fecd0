"""Wait until no task of an earlier definition runs."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import rollout
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/wait_stopped.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """A check run does not wait."""
        running = [] if self.check else rollout.left(engine, options["seconds"])
        if running:
            engine.tell(
                f"    still stopping: {', '.join(running)}; their credentials are kept until the next run"
            )
        return {"changed": False, "running": running}
