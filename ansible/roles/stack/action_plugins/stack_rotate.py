"""New secrets on the controller: the logic is in compose/stack/rotation.py.

stack_rotate: {folder, step: choose|begin|switch|end, what: "secret_key,db,redis"}. `choose` also says whether a
rotation has begun.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ansible.plugins.action import ActionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "compose"))

from stack import rotation
from stack.console import Failure
from stack.paths import Deployment


class ActionModule(ActionBase):
    """One step."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        """Do it; nothing that it returns is secret."""
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        deployment = Deployment(Path(arguments["folder"]))
        before = rotation.begun(deployment)
        try:
            chosen = rotation.chosen(deployment, arguments.get("what", "")) if not before else list(before)
            if self._task.check_mode:
                return {
                    **result,
                    "changed": arguments["step"] != "end",
                    "kinds": chosen,
                    "begun": bool(before),
                }
            match arguments["step"]:
                case "begin":
                    rotation.begin(deployment, chosen)
                    return {**result, "changed": True, "kinds": chosen}
                case "switch":
                    rotation.switch(deployment)
                    return {**result, "changed": True, "kinds": chosen}
                case "end":
                    return {**result, "changed": rotation.end(deployment)}
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        return {**result, "changed": False, "kinds": chosen, "begun": bool(before)}
