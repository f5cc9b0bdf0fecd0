"""Bring images to the host that lacks them."""

from __future__ import annotations

import json
import shlex
import tempfile
from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import Action

from channels_stack_deploy.console import Failure
from channels_stack_deploy.registry import push, transfer

LISTED = "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}"
"""Both names by which a release may refer to an image."""


class ActionModule(Action):
    """See plugins/modules/images.py."""

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        """A check run only says which are missing."""
        present = set(self.docker("image", "ls", "--digests", "--format", LISTED).split())
        missing = [name for name in dict.fromkeys(options["images"]) if name not in present]
        if missing and not self.check:
            self.show(f"    {self.variables['inventory_hostname']}: {len(missing)} images")
            if options["registry"]:
                self._pull(missing, options["registry"], options["login"])
            else:
                self._send(missing, options["compress"])
        return {"changed": bool(missing), "shipped": missing}

    def _pull(self, names: list[str], registry: str, login: str) -> None:
        folder = self.login(registry, login)
        configuration = ["--config", folder] if folder else []
        for name in names:
            code, _, complaint = self.command(shlex.join(["docker", *configuration, "pull", "--quiet", name]))
            if code:
                raise Failure(push.refused(registry, Path(login), complaint.strip()))

    def _send(self, names: list[str], compress: bool) -> None:
        ids = self.docker("image", "ls", "--quiet", "--no-trunc").split()
        there = json.loads(self.docker("image", "inspect", *ids)) if ids else []
        known = transfer.known(transfer.layers(names), [image["RootFS"]["Layers"] for image in there])
        for without in [known, set()] if known else [set()]:
            with tempfile.TemporaryDirectory(prefix="channels-stack-") as folder:
                archive = Path(folder) / "images.tar"
                size = transfer.pack(names, without, archive, compress=compress)
                self.show(f"    {size / 1e6:.0f} MB")
                remote = self._connection._shell.join_path(self.folder(), "images.tar")
                self._transfer_file(str(archive), remote)
            code, _, complaint = self.command(shlex.join(["docker", "load", "--quiet", "--input", remote]))
            if not code:
                return
        raise Failure(f"docker load failed (exit {code}): {complaint.strip()}")
