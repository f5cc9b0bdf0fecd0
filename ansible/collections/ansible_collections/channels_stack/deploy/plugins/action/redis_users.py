"""Let Redis accept the credentials of an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.paths import Deployment
from channels_stack_deploy.swarm import credentials, redis_ha
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/redis_users.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """A check run only reports what it would change."""
        deployment, node, config = Deployment(Path(options["folder"])), options["node"], options["config"]
        final, check = options["final"], self.check
        what = credentials.users(
            engine, deployment, str(Path(config) / "users.acl"), final=final, check=check, node=node
        )
        if options["sentinel"]:
            what += redis_ha.accept(engine, deployment, config, node, final=final, check=check)
        return {"changed": bool(what), "what": what}
