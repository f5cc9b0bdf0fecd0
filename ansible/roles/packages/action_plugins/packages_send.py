"""Fetch on the controller what a host lacks, and install it there: packages_send: {names: [nftables], settings: {…}}.

The packages of the engine are always meant as well. In check mode it only says which are lacking.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "src/channels_stack_deploy"))

from channels_stack_deploy.build import packages
from channels_stack_deploy.config import settings
from channels_stack_deploy.console import Failure

INSTALL = "env DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes --no-install-recommends --no-remove"
INSTALL += " --option DPkg::Lock::Timeout=120 install"

FINISH = "dpkg --configure -a"
"""What apt asks for where an installation was killed in the middle."""


class ActionModule(ActionBase):
    """One host's packages."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        """Fetch, send, install what is missing."""
        result = super().run(tmp, task_vars)
        given = {name: str(value) for name, value in self._task.args["settings"].items()}
        try:
            status = self._command("cat /var/lib/dpkg/status")
            lacking = packages.missing(list(self._task.args["names"]), status)
            if lacking and not self._task.check_mode:
                release = packages.suite(self._command("cat /etc/os-release"))
                architecture = self._command("dpkg --print-architecture").strip()
                with tempfile.TemporaryDirectory(prefix="channels-stack-") as folder:
                    known = {**settings.defaults(), **given}
                    files = packages.fetch(lacking, status, release, architecture, known, Path(folder))
                    size = sum(path.stat().st_size for path in files)
                    Display().display(
                        f"    {task_vars['inventory_hostname']}: {len(files)} packages, {size / 1e6:.0f} MB"
                    )
                    self._install(files, Path(folder, "packages.tar"))
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return {**result, "changed": bool(lacking), "packages": lacking}

    def _install(self, files: list[Path], archive: Path) -> None:
        names = [path.name for path in files]
        subprocess.run(["tar", "-cf", str(archive), "-C", str(archive.parent), *names], check=True)
        self._make_tmp_path()
        folder = self._connection._shell.tmpdir
        remote = self._connection._shell.join_path(folder, archive.name)
        self._transfer_file(str(archive), remote)
        self._command(shlex.join(["tar", "-xf", remote, "-C", folder]))
        paths = [self._connection._shell.join_path(folder, name) for name in names]
        line = f"{INSTALL} {shlex.join(paths)}"
        try:
            self._command(line)
        except Failure as failure:
            if FINISH not in str(failure):
                raise
            self._command(f"env DEBIAN_FRONTEND=noninteractive {FINISH}")
            self._command(line)

    def _command(self, line: str) -> str:
        done = self._low_level_execute_command(line, in_data=b"\n", sudoable=True)
        if done["rc"]:
            said = "\n".join((done["stdout"] + done["stderr"]).strip().splitlines()[-8:])
            raise Failure(f"{' '.join(line.split()[:6])} … failed (exit {done['rc']}):\n{said}")
        return done["stdout"]
