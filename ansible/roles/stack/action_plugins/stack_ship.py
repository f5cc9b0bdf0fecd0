"""Bring images to the host that lacks them: stack_ship: {images: [NAME, …], compress: true}.

Only missing images, of them only missing layers; where an engine does not take such an archive, the whole one.
"""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "compose"))

from stack import ship
from stack.console import Failure


class ActionModule(ActionBase):
    """One host's images."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        """Ship what is missing."""
        result = super().run(tmp, task_vars)
        wanted = list(dict.fromkeys(self._task.args["images"]))
        try:
            have = set(self._docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split())
            missing = [name for name in wanted if name not in have]
            if missing and not self._task.check_mode:
                self._ship(
                    missing,
                    have,
                    bool(self._task.args.get("compress", True)),
                    task_vars["inventory_hostname"],
                )
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return {**result, "changed": bool(missing), "shipped": missing}

    def _ship(self, names: list[str], have: set[str], compress: bool, host: str) -> None:
        there = json.loads(self._docker("image", "inspect", *sorted(have))) if have else []
        known = ship.known(ship.layers(names), [each["RootFS"]["Layers"] for each in there])
        for without in [known, set()] if known else [set()]:
            with tempfile.TemporaryDirectory(prefix="channels-stack-") as folder:
                archive = Path(folder) / "images.tar"
                size = ship.pack(names, without, archive, compress=compress)
                Display().display(f"    {host}: {len(names)} images, {size / 1e6:.0f} MB")
                if not self._connection._shell.tmpdir:
                    self._make_tmp_path()
                remote = self._connection._shell.join_path(self._connection._shell.tmpdir, "images.tar")
                self._transfer_file(str(archive), remote)
            code, said = self._attempt("load", "--quiet", "--input", remote)
            if not code:
                return
        raise Failure(f"docker load failed (exit {code}): {said}")

    def _attempt(self, *words: str) -> tuple[int, str]:
        done = self._low_level_execute_command(shlex.join(["docker", *words]), in_data=b"\n", sudoable=True)
        return done["rc"], done["stdout"] if not done["rc"] else done["stderr"].strip()

    def _docker(self, *words: str) -> str:
        code, said = self._attempt(*words)
        if code:
            raise Failure(f"docker {' '.join(words[:2])} failed (exit {code}): {said}")
        return said
