"""Bring images to the host that lacks them: stack_ship: {images: [NAME, …], compress, registry, login}.

Over SSH: only missing images, of them only missing layers; where an engine does not take such an archive, the whole one.
With a registry the host pulls them from there; the login is on the host for as long as that takes.
"""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "src/channels_stack_deploy"))

from channels_stack_deploy.console import Failure
from channels_stack_deploy.registry import push, transfer


class ActionModule(ActionBase):
    """One host's images."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        """Ship what is missing."""
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        wanted = list(dict.fromkeys(arguments["images"]))
        try:
            form = "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}"
            have = set(self._docker("image", "ls", "--digests", "--format", form).split())
            missing = [name for name in wanted if name not in have]
            if missing and not self._task.check_mode:
                Display().display(f"    {task_vars['inventory_hostname']}: {len(missing)} images")
                if arguments["registry"]:
                    self._pull(missing, arguments["registry"], Path(arguments["login"]))
                else:
                    self._ship(missing, arguments["compress"])
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return {**result, "changed": bool(missing), "shipped": missing}

    def _pull(self, names: list[str], address: str, login: Path) -> None:
        text = push.configuration(address, login)
        options = []
        if text:
            self._make_tmp_path()
            options = ["--config", self._connection._shell.tmpdir]
            self._transfer_data(
                self._connection._shell.join_path(self._connection._shell.tmpdir, "config.json"), text
            )
        for name in names:
            code, said = self._attempt(*options, "pull", "--quiet", name)
            if code:
                raise Failure(push.refused(address, login, said))

    def _ship(self, names: list[str], compress: bool) -> None:
        ids = self._docker("image", "ls", "--quiet", "--no-trunc").split()
        there = json.loads(self._docker("image", "inspect", *ids)) if ids else []
        known = transfer.known(transfer.layers(names), [each["RootFS"]["Layers"] for each in there])
        for without in [known, set()] if known else [set()]:
            with tempfile.TemporaryDirectory(prefix="channels-stack-") as folder:
                archive = Path(folder) / "images.tar"
                size = transfer.pack(names, without, archive, compress=compress)
                Display().display(f"    {size / 1e6:.0f} MB")
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
