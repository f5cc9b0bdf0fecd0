"""How the verbs of `make … ENV=` get to a host."""

from __future__ import annotations

from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import Action

from channels_stack_deploy.registry import ssh_forward


class ActionModule(Action):
    """See plugins/modules/session.py."""

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        """The host is asked nothing."""
        return {
            "changed": False,
            **options,
            "ssh": ssh_forward.session(self._connection),
            "groups": self.variables["group_names"],
            "number": self.variables["groups"]["all"].index(self.variables["inventory_hostname"]),
        }
