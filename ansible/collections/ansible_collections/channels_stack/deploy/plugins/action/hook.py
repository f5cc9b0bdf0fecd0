"""Run what the operator has before and after a release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import Action

from channels_stack_deploy.operate import hooks


class ActionModule(Action):
    """See plugins/modules/hook.py."""

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        """On the controller, whatever the host is; what the programs do is not the playbook's change."""
        if not self.check:
            hooks.run(Path(options["folder"]), options["event"], **options["values"])
        return {"changed": False}
