"""Try new tasks alongside those that serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import jobs, trial
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/trial.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """Nothing of it stays, so nothing is reported as changed."""
        path = Path(options["path"])
        if self.check:
            return {"changed": False}
        if jobs.same(engine, str(path), options["current"]):
            return {"changed": False, "msg": "the servers of the current release are the same"}
        trial.run(
            engine,
            str(path),
            options["healthy_seconds"],
            options["steady_seconds"],
            options["job"],
            str(path.with_name(f"{options['job']}.json")),
        )
        return {"changed": False}
