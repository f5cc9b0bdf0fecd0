"""New secrets on the controller: the logic is in src/channels_stack_deploy (config/rotation.py).

stack_rotate: {folder, step: choose|begin|switch|end, what: "secret_key,db,redis"}. Each says which kinds, whether
a rotation had begun, and whether the files say its secrets already.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ansible.plugins.action import ActionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "src/channels_stack_deploy"))

from channels_stack_deploy.config import rotation
from channels_stack_deploy.console import Failure
from channels_stack_deploy.paths import Deployment


class ActionModule(ActionBase):
    """One step."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        """Do it; nothing that it returns is secret."""
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        deployment = Deployment(Path(arguments["folder"]))
        step, check = arguments["step"], self._task.check_mode
        before = rotation.begun(deployment)
        try:
            kinds = [kind for kind in before if kind in rotation.KINDS] or rotation.chosen(
                deployment, arguments.get("what", "")
            )
            state = {"kinds": kinds, "begun": bool(before), "switched": rotation.switched(deployment)}
            changed = step in ("begin", "switch") and not state["switched"]
            if step == "begin" and changed and not check:
                rotation.begin(deployment, kinds)
            elif step == "switch" and changed and not check:
                rotation.switch(deployment)
            elif step == "end" and not check:
                changed = rotation.end(deployment)
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        return {**result, "changed": changed, **state}
