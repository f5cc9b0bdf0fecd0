"""What no release needs any more leaves the stack's own registry, and its space is given back.

stack_registry_forget: {stack, folder, registry, login, authority, needed: [IMAGE, …], old: [IMAGE, …]}, on the registry's host.
NEEDED are the images of all releases that are kept, OLD those of releases that are not. Nothing may push meanwhile: the lock of
the deploy is held.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from ansible.plugins.action import ActionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "src/channels_stack_deploy"))

from channels_stack_deploy.console import Failure
from channels_stack_deploy.registry import content as registry_content
from channels_stack_deploy.registry import ssh_forward


class ActionModule(ActionBase):
    """One registry."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        """Delete manifests, then collect the layers that nothing names."""
        result = super().run(tmp, task_vars)
        if self._task.check_mode:
            return {**result, "changed": False}
        try:
            gone = self._forget(self._task.args)
            if gone:
                self._collect(self._task.args["stack"])
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        return {**result, "changed": bool(gone), "forgotten": gone}

    def _forget(self, arguments: dict) -> list[str]:
        address = arguments["registry"]
        here = ssh_forward.loopback(arguments["folder"])
        with ssh_forward.to_host(self._connection, here, address):
            login = Path(arguments["login"]).read_text().strip()
            content = registry_content.Content(here, login, Path(arguments["authority"]))
            needed, old = (registry_content.here(arguments[each], address) for each in ("needed", "old"))
            return registry_content.forget(content, needed, old)

    def _collect(self, stack: str) -> None:
        label = f"label=com.docker.swarm.service.name={stack}_registry"
        found = self._docker("ps", "--quiet", "--filter", label, "--filter", "health=healthy").split()
        for container in found[:1]:
            self._docker("exec", container, "registry", "collect")

    def _docker(self, *words: str) -> str:
        # Without any standard input Ansible opens a terminal, which mixes the two outputs.
        done = self._low_level_execute_command(shlex.join(["docker", *words]), in_data=b"\n", sudoable=True)
        if done["rc"]:
            said = " ".join(done["stderr"].strip().splitlines()[-1:])
            raise Failure(f"docker {' '.join(words[:2])} failed (exit {done['rc']}): {said}")
        return done["stdout"]
