"""stack_files: {source: folder of the controller, names: [...], dest: ..., ...}: see library/stack_files.py."""

from __future__ import annotations

from pathlib import Path

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Read the files here, let the module write them there."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        """In a check run on a fresh environment there is nothing to read yet: then everything would be new."""
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        folder, names = Path(arguments.pop("source")), arguments.pop("names")
        there = [name for name in names if (folder / name).exists()]
        if len(there) < len(names) and not self._task.check_mode:
            missing = ", ".join(sorted(set(names) - set(there)))
            return {
                **result,
                "failed": True,
                "msg": f"{folder} has no {missing}: the release was not rendered",
            }
        arguments["files"] = {name: (folder / name).read_text() for name in there}
        done = self._execute_module("stack_files", module_args=arguments, task_vars=task_vars)
        if not self._task.diff:
            done.pop("diff", None)
        return {**result, **done}
