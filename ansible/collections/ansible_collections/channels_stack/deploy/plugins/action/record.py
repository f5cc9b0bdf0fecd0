"""Add a line to the history of releases."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import history
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/record.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """The history is no state of the stack, so nothing is reported as changed."""
        if not self.check:
            history.remember(engine, options["folder"], options["event"], options["release"])
        return {"changed": False}
