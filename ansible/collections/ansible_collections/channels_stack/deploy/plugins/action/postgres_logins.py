"""Let PostgreSQL accept the credentials of an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.paths import Deployment
from channels_stack_deploy.swarm import credentials
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/postgres_logins.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """A check run only reports what it would change."""
        deployment = Deployment(Path(options["folder"]))
        what = credentials.logins(engine, deployment, final=options["final"], check=self.check)
        return {"changed": bool(what), "what": what}
