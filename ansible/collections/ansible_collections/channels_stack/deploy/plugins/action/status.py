"""Print nodes, services, processes, edges, backups and the history of releases."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import status
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/status.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """Reads only."""
        for line in status.lines(engine, options["facts"], options["folder"]):
            engine.tell(line)
        return {"changed": False}
