"""Create networks, secrets and configs of a stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import objects
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/objects.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """A check run has no file with the content."""
        made = objects.make_networks(engine, options["networks"], check=self.check)
        missing = options["objects"] if self.check else json.loads(Path(options["content"]).read_text())
        made += objects.make(engine, missing, check=self.check)
        return {"changed": bool(made), "made": made}
