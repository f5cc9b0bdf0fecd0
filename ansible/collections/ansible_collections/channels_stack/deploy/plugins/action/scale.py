"""Change the number of tasks of services."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.console import Failure
from channels_stack_deploy.swarm import rollout
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/scale.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """At least one number is needed."""
        numbers = {name: int(count) for name, count in options["replicas"].items() if str(count) != ""}
        if not numbers:
            raise Failure("say which service, and how many tasks: -e ws=6")
        if self.check:
            return {"changed": True}
        scaled = rollout.scale(engine, numbers, options["seconds"])
        return {"changed": bool(scaled), "scaled": scaled}
