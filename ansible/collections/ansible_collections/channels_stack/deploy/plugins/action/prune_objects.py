"""Remove secrets and configs of a stack that nothing needs."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import objects
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/prune_objects.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """A check run removes nothing."""
        removed = [] if self.check else objects.prune(engine, options["keep"])
        return {"changed": bool(removed), "removed": removed}
