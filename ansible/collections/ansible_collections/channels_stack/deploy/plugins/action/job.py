"""Run a job of a release to its end."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import jobs
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/job.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """The definition is only on the controller in a check run, so there is nothing to compare."""
        if self.check:
            return {"changed": True}
        if options["current"] and jobs.same(engine, options["path"], options["current"]):
            return {"changed": False, "msg": "done by the current release"}
        jobs.release(engine, options["service"], options["path"], options["seconds"])
        return {"changed": True}
