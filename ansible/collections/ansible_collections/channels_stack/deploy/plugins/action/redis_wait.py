"""Wait until three Redis nodes are in order."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.console import Failure
from channels_stack_deploy.swarm import redis_ha
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/redis_wait.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """The reason is printed where it is no failure."""
        try:
            return {"changed": False, "master": redis_ha.settled(engine, options["seconds"])}
        except Failure as failure:
            reason = f"three Redis are {failure}"
            if options["required"]:
                raise Failure(
                    f"{reason}\nThey are not replaced like that; all that are left, at once: -e force=true"
                ) from None
            engine.tell(f"    {reason}")
            return {"changed": False, "master": ""}
