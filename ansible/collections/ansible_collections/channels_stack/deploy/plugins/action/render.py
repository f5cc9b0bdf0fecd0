"""Make a release on the controller."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ansible.utils.display import Display
from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import Action

from channels_stack_deploy.build import images
from channels_stack_deploy.checks import probes
from channels_stack_deploy.config import certificates, secrets, settings, stores
from channels_stack_deploy.console import detail
from channels_stack_deploy.local import compose
from channels_stack_deploy.paths import Deployment
from channels_stack_deploy.registry import push, ssh_forward, transfer
from channels_stack_deploy.swarm import inventory, render

SECRET = re.compile(r"(?i)(password|passwd|secret|token|(api|private)_?key|credential)")
"""Names of variables that mostly hold secrets."""


class ActionModule(Action):
    """See plugins/modules/render.py."""

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        """Render, and return what was made."""
        folder = Path(options["folder"])
        with inventory.place(folder, check=self.check) as deployment:
            release, file = self._make(deployment, options)
            if not self.check:
                inventory.save(release, folder / "rendered")
        return {
            "changed": False,
            "release": release.name,
            "images": release.images,
            "files": sorted(release.files),
            "folder": str(folder / "rendered"),
            "networks": release.networks,
            "objects": [{**each, "content": ""} for each in release.objects],
            "services": sorted(json.loads(release.files["stack.json"])["services"]),
            "probes": str(file or ""),
        }

    def _make(self, deployment: Deployment, options: dict[str, Any]) -> tuple[render.Release, Path | None]:
        """The release, and the file with the application's probes."""
        compose.replace(deployment.settings, inventory.lines(options["settings"], "stack_settings"))
        compose.replace(deployment.application, inventory.lines(options["application"], "stack_app_env"))
        for name in plain(options["application"], Path(options["inventory"])):
            Display().warning(
                f"stack_app_env.{name} looks like a secret and is in plain text in the inventory: encrypt it with ansible-vault"
            )
        chosen = settings.load(deployment.settings, "stack_settings")
        for line in secrets.notes(deployment, secrets.make(deployment), acl=False):
            detail(line)
        stores.check(deployment, chosen)
        # What is wrong with given files is reported before anything is built.
        certificates.make(deployment, chosen)
        file, _ = probes.declared(deployment, chosen, Path(options["inventory"]) / probes.NAME)
        if not chosen["APP_WORKER_CHANNELS"]:
            chosen["WORKER_REPLICAS"] = "0"
        names = images.make(chosen, build_missing=not self.check)
        names |= {name: chosen[name] for name in render.GIVEN if chosen.get(name)}
        names = self._carried(names, options)
        servers = render.Options(**options["options"])
        return render.render(deployment, chosen, names, servers, options["name"]), file

    def _carried(self, names: dict[str, str], options: dict[str, Any]) -> dict[str, str]:
        """The images NAMES under the names that the hosts get them by: over SSH, or from a registry."""
        address, login, check = options["registry"], Path(options["login"]), self.check
        if not address:
            return transfer.named(names) if check else transfer.tag(names)
        if not options["forward"]:
            return push.named(names, address, login) if check else push.push(names, address, login)
        here = ssh_forward.loopback(options["folder"])
        if check:
            return push.named(names, address, login, here)
        with ssh_forward.to_host(self._connection, here, address):
            return push.push(names, address, login, here)


def plain(values: dict[str, Any], inventory: Path) -> list[str]:
    """Names of VALUES that look like secrets and whose text some file of the INVENTORY holds unencrypted."""
    suspects = {name: str(value) for name, value in values.items() if SECRET.search(name) and str(value)}
    folder = inventory if inventory.is_dir() else inventory.parent
    texts = (
        [path.read_text(errors="replace") for path in folder.rglob("*.y*ml") if path.is_file()]
        if suspects
        else []
    )
    return sorted(name for name, value in suspects.items() if any(value in text for text in texts))
