"""Remove from the stack's own registry what no release needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import Action

from channels_stack_deploy.registry import content, ssh_forward


class ActionModule(Action):
    """See plugins/modules/registry_prune.py."""

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        """Delete manifests, then collect the layers that nothing names."""
        removed = [] if self.check else self._forget(options)
        if removed:
            self._collect(options["stack"])
        return {"changed": bool(removed), "removed": removed}

    def _forget(self, options: dict[str, Any]) -> list[str]:
        address = options["registry"]
        here = ssh_forward.loopback(options["folder"])
        with ssh_forward.to_host(self._connection, here, address):
            login = Path(options["login"]).read_text().strip()
            registry = content.Content(here, login, Path(options["authority"]))
            needed, old = (content.here(options[name], address) for name in ("needed", "old"))
            return content.forget(registry, needed, old)

    def _collect(self, stack: str) -> None:
        label = f"label=com.docker.swarm.service.name={stack}_registry"
        for container in self.docker(
            "ps", "--quiet", "--filter", label, "--filter", "health=healthy"
        ).split()[:1]:
            self.docker("exec", container, "registry", "collect")
