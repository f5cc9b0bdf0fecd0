"""Prepare the stack's own registry on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import Action

from channels_stack_deploy.build import images
from channels_stack_deploy.config import settings
from channels_stack_deploy.local import compose
from channels_stack_deploy.paths import Deployment
from channels_stack_deploy.registry import service, transfer
from channels_stack_deploy.swarm import inventory, render


class ActionModule(Action):
    """See plugins/modules/registry_service.py."""

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        """Prepare it, and return what was made."""
        folder = Path(options["folder"])
        with inventory.place(folder, check=self.check) as deployment:
            release = self._make(deployment, options)
            if not self.check:
                inventory.save(release, folder / "registry")
        return {
            "changed": False,
            "release": release.name,
            "image": release.images["REGISTRY_IMAGE"],
            "files": sorted(release.files),
            "folder": str(folder / "registry"),
            "objects": [{**each, "content": ""} for each in release.objects],
        }

    def _make(self, deployment: Deployment, options: dict[str, Any]) -> render.Release:
        compose.replace(deployment.settings, inventory.lines(options["settings"], "stack_settings"))
        chosen = settings.load(deployment.settings, "stack_settings")
        names = images.make(chosen, {"REGISTRY_IMAGE": service.IMAGE}, build_missing=not self.check)
        names = transfer.named(names) if self.check else transfer.tag(names)
        login = Path(options["login"])
        # A check run leaves nothing behind.
        temporary = self.check and not login.exists()
        return service.make(
            deployment,
            names["REGISTRY_IMAGE"],
            service.Options(
                stack=options["stack"],
                node=options["node"],
                address=options["address"],
                port=options["port"],
                login=deployment.folder / "registry_login" if temporary else login,
            ),
        )
