"""Write files of the controller to a folder of the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import Action

from channels_stack_deploy.console import Failure


class ActionModule(Action):
    """See plugins/modules/files.py."""

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        """In a check run of a new environment there is nothing to read yet: then everything would be new."""
        folder, names = Path(options.pop("source")), options.pop("names")
        present = [name for name in names if (folder / name).exists()]
        if len(present) < len(names) and not self.check:
            missing = ", ".join(sorted(set(names) - set(present)))
            raise Failure(f"{folder} has no {missing}: the release was not rendered")
        options["files"] = {name: (folder / name).read_text() for name in present}
        done: dict[str, Any] = self._execute_module(
            "channels_stack.deploy.files", module_args=options, task_vars=self.variables
        )
        if not self._task.diff:
            done.pop("diff", None)
        return done
