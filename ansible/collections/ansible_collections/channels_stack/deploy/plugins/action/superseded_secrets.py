"""Report which secrets of retained releases have been rotated."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import history
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/superseded_secrets.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """Nothing was rotated in a check run."""
        return {
            "changed": False,
            "names": {} if self.check else history.outdated(engine, options["folder"], options["release"]),
        }
