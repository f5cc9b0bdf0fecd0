"""Fetch on the controller what a host lacks, and install it there."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import Action

from channels_stack_deploy.build import packages
from channels_stack_deploy.config import settings
from channels_stack_deploy.console import Failure

INSTALL = "env DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes --no-install-recommends --no-remove"
INSTALL += " --option DPkg::Lock::Timeout=120 install"

FINISH = "dpkg --configure -a"
"""What apt asks for where an installation was killed in the middle."""


class ActionModule(Action):
    """See plugins/modules/packages.py."""

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        """Fetch, send, install what is missing."""
        status = self._output("cat /var/lib/dpkg/status")
        missing = packages.missing(options["names"], status)
        if missing and not self.check:
            release = packages.suite(self._output("cat /etc/os-release"))
            architecture = self._output("dpkg --print-architecture").strip()
            chosen = settings.defaults() | {name: str(value) for name, value in options["settings"].items()}
            with tempfile.TemporaryDirectory(prefix="channels-stack-") as folder:
                files = packages.fetch(missing, status, release, architecture, chosen, Path(folder))
                size = sum(path.stat().st_size for path in files)
                self.show(
                    f"    {self.variables['inventory_hostname']}: {len(files)} packages, {size / 1e6:.0f} MB"
                )
                self._install(files, Path(folder, "packages.tar"))
        return {"changed": bool(missing), "packages": missing}

    def _install(self, files: list[Path], archive: Path) -> None:
        names = [path.name for path in files]
        subprocess.run(["tar", "-cf", str(archive), "-C", str(archive.parent), *names], check=True)
        folder = self.folder()
        remote = self._connection._shell.join_path(folder, archive.name)
        self._transfer_file(str(archive), remote)
        self._output(shlex.join(["tar", "-xf", remote, "-C", folder]))
        paths = [self._connection._shell.join_path(folder, name) for name in names]
        line = f"{INSTALL} {shlex.join(paths)}"
        try:
            self._output(line)
        except Failure as failure:
            if FINISH not in str(failure):
                raise
            self._output(f"env DEBIAN_FRONTEND=noninteractive {FINISH}")
            self._output(line)

    def _output(self, line: str) -> str:
        code, out, complaint = self.command(line)
        if code:
            tail = "\n".join((out + complaint).strip().splitlines()[-8:])
            raise Failure(f"{' '.join(line.split()[:6])} … failed (exit {code}):\n{tail}")
        return out
