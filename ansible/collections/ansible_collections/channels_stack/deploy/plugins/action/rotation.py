"""Make and switch rotated secrets on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import Action

from channels_stack_deploy.config import rotation
from channels_stack_deploy.paths import Deployment


class ActionModule(Action):
    """See plugins/modules/rotation.py."""

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        """Nothing that it returns is secret."""
        deployment, step = Deployment(Path(options["folder"])), options["step"]
        before = rotation.begun(deployment)
        kinds = [kind for kind in before if kind in rotation.KINDS] or rotation.chosen(
            deployment, options["what"]
        )
        state = {"kinds": kinds, "begun": bool(before), "switched": rotation.switched(deployment)}
        changed = step in ("begin", "switch") and not state["switched"]
        if step == "begin" and changed and not self.check:
            rotation.begin(deployment, kinds)
        elif step == "switch" and changed and not self.check:
            rotation.switch(deployment)
        elif step == "end" and not self.check:
            changed = rotation.end(deployment)
        return {"changed": changed, **state}
