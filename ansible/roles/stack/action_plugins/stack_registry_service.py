"""The stack's own registry, made ready on the controller: its image, login, certificate, and what Swarm reads of it.

stack_registry_service: {folder, settings, stack, node, address, port, login}. The result names image, release and files,
which lie below FOLDER/registry, the content of secrets among them (0600). In check mode nothing is written or built.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "src/channels_stack_deploy"))

from channels_stack_deploy.build import images
from channels_stack_deploy.config import settings
from channels_stack_deploy.console import Failure, Lines
from channels_stack_deploy.local import compose
from channels_stack_deploy.paths import Deployment
from channels_stack_deploy.registry import service, transfer
from channels_stack_deploy.swarm import inventory, render


class ActionModule(ActionBase):
    """The registry of one environment."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        """Make it ready, and return what was made."""
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        folder, check = Path(arguments["folder"]), self._task.check_mode
        try:
            with (
                contextlib.redirect_stdout(Lines(Display().display)),
                inventory.place(folder, check=check) as deployment,
            ):
                release = self._make(deployment, arguments)
                if not check:
                    inventory.save(release, folder / "registry")
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        made = {"release": release.name, "image": release.images["REGISTRY_IMAGE"]}
        made |= {"files": sorted(release.files), "folder": str(folder / "registry")}
        objects = [{**each, "content": ""} for each in release.objects]
        return {**result, "changed": False, **made, "objects": objects}

    def _make(self, deployment: Deployment, arguments: dict) -> render.Release:
        compose.replace(deployment.settings, inventory.lines(arguments["settings"], "stack_settings"))
        chosen = settings.load(deployment.settings, "stack_settings")
        check = self._task.check_mode
        names = images.make(chosen, {"REGISTRY_IMAGE": service.IMAGE}, build_missing=not check)
        names = transfer.named(names) if check else transfer.tag(names)
        login = Path(arguments["login"])
        options = service.Options(
            stack=arguments["stack"],
            node=arguments["node"],
            address=arguments["address"],
            port=int(arguments["port"]),
            # A check run leaves nothing behind.
            login=deployment.folder / "registry_login" if check and not login.exists() else login,
        )
        return service.make(deployment, names["REGISTRY_IMAGE"], options)
