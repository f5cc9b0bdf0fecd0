"""Report whether a job of a release has to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import jobs
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/job_info.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """In a check run of a new environment there is no rendered file."""
        rendered = Path(options["rendered"])
        due = rendered.exists() and jobs.due(engine, rendered.read_text(), options["current"])
        return {"changed": False, "due": due}
