"""Make a release on the controller: settings and secrets of the environment, images, the files that Swarm reads.

stack_render: {folder, settings, application, options, name, registry, login, forward, inventory}. The result names the release,
its images and services, and the file with the application's probes; its files are below FOLDER/rendered, the content of secrets
among them (0600). The images bear the names that the hosts get them by; with a registry they are pushed, to the stack's own
through SSH: with FORWARD this is delegated to its host. In check mode nothing is written, built or pushed.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "src/channels_stack_deploy"))

from channels_stack_deploy.build import images
from channels_stack_deploy.checks import probes
from channels_stack_deploy.config import certificates, secrets, settings, stores
from channels_stack_deploy.console import Failure, Lines, detail
from channels_stack_deploy.local import compose
from channels_stack_deploy.paths import Deployment
from channels_stack_deploy.registry import push, ssh_forward, transfer
from channels_stack_deploy.swarm import inventory, render

SECRET = re.compile(r"(?i)(password|passwd|secret|token|(api|private)_?key|credential)")
"""Names of variables that mostly hold secrets."""


class ActionModule(ActionBase):
    """One release."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        """Render, and return what was made."""
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        folder = Path(arguments["folder"])
        try:
            with (
                contextlib.redirect_stdout(Lines(Display().display)),
                inventory.place(folder, check=self._task.check_mode) as deployment,
            ):
                release, file = self._make(deployment, arguments)
                if not self._task.check_mode:
                    inventory.save(release, folder / "rendered")
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        made = {"release": release.name, "images": release.images, "files": sorted(release.files)}
        made["networks"] = release.networks
        made["probes"] = str(file or "")
        made["services"] = sorted(json.loads(release.files["stack.json"])["services"])
        objects = [{**each, "content": ""} for each in release.objects]
        return {**result, "changed": False, **made, "objects": objects, "folder": str(folder / "rendered")}

    def _make(self, deployment: Deployment, arguments: dict) -> tuple[render.Release, Path | None]:
        """The release, and the file with the application's probes."""
        compose.replace(deployment.settings, inventory.lines(arguments["settings"], "stack_settings"))
        compose.replace(deployment.application, inventory.lines(arguments["application"], "stack_app_env"))
        for name in plain(arguments["application"], Path(arguments["inventory"])):
            Display().warning(
                f"stack_app_env.{name} looks like a secret and is in plain text in the inventory: encrypt it with ansible-vault"
            )
        chosen = settings.load(deployment.settings, "stack_settings")
        for line in secrets.notes(deployment, secrets.make(deployment), acl=False):
            detail(line)
        stores.check(deployment, chosen)
        # What is wrong with given files is reported before anything is built.
        certificates.make(deployment, chosen)
        file, _ = probes.declared(deployment, chosen, Path(arguments["inventory"]) / probes.NAME)
        if not chosen["APP_WORKER_CHANNELS"]:
            chosen["WORKER_REPLICAS"] = "0"
        names = images.make(chosen, build_missing=not self._task.check_mode)
        names |= {name: chosen[name] for name in render.GIVEN if chosen.get(name)}
        names = self._carried(names, arguments)
        options = render.Options(**arguments["options"])
        return render.render(deployment, chosen, names, options, arguments["name"]), file

    def _carried(self, names: dict[str, str], arguments: dict) -> dict[str, str]:
        """The images NAMES under the names that the hosts get them by: over SSH, or from a registry."""
        address, login, check = arguments["registry"], Path(arguments["login"]), self._task.check_mode
        if not address:
            return transfer.named(names) if check else transfer.tag(names)
        if not arguments["forward"]:
            return push.named(names, address, login) if check else push.push(names, address, login)
        here = ssh_forward.loopback(arguments["folder"])
        if check:
            return push.named(names, address, login, here)
        with ssh_forward.to_host(self._connection, here, address):
            return push.push(names, address, login, here)


def plain(values: dict, inventory: Path) -> list[str]:
    """Names of VALUES that look like secrets and whose text some file of the INVENTORY holds unencrypted."""
    suspects = {name: str(value) for name, value in values.items() if SECRET.search(name) and str(value)}
    folder = inventory if inventory.is_dir() else inventory.parent
    texts = (
        [path.read_text(errors="replace") for path in folder.rglob("*.y*ml") if path.is_file()]
        if suspects
        else []
    )
    return sorted(name for name, value in suspects.items() if any(value in text for text in texts))
