"""Report which releases, images and objects no rollback needs."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.registry import transfer
from channels_stack_deploy.swarm import history
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/prune_releases.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """A check run removes nothing."""
        old = history.forget(engine, options["folder"], options["keep"], check=self.check)
        if not self.check:
            transfer.forget(old["images"])
        return {"changed": bool(old["objects"]), **old}
