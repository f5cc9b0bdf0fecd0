"""What the action plugins have in common: options, failures, commands on the host.

The documentation of a plugin, and with it its options, is the module of the same name in plugins/modules.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.loader import fragment_loader
from ansible.utils.display import Display
from ansible.utils.plugin_docs import get_docstring
from ansible_collections.channels_stack.deploy.plugins.plugin_utils import tool  # noqa: F401

from channels_stack_deploy.console import Failure, Lines
from channels_stack_deploy.registry import push
from channels_stack_deploy.swarm.engine import Engine

NOTHING = b"\n"
"""Standard input of a command that needs none: with none at all Ansible opens a terminal, which mixes the two outputs."""

SPECIFIED = ("type", "elements", "required", "default", "choices", "no_log")
"""What of a documented option Ansible checks."""


def specification(file: str) -> dict[str, dict[str, Any]]:
    """The options that the documentation of the plugin FILE declares, as Ansible checks them."""
    module = Path(file).parents[1] / "modules" / Path(file).name
    documentation, *_ = get_docstring(str(module), fragment_loader, collection_name="channels_stack.deploy")
    options: dict[str, dict[str, Any]] = documentation.get("options", {})
    return {
        name: {key: value for key, value in option.items() if key in SPECIFIED}
        for name, option in options.items()
    }


class Action(ActionBase):
    """`act` gets the checked options and returns what the result of the task holds; what it prints is shown line by line."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Called by Ansible; a Failure of the tool is the failure of the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.variables = task_vars or {}
        _, options = self.validate_argument_spec(
            specification(sys.modules[type(self).__module__].__file__ or "")
        )
        try:
            # Ansible warns of what is printed past its own display.
            with contextlib.redirect_stdout(Lines(self.show)):
                return {**result, **self.act(options)}
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        """What the plugin does."""
        raise NotImplementedError

    @property
    def check(self) -> bool:
        """Whether nothing may be changed."""
        return bool(self._task.check_mode)

    def show(self, line: str) -> None:
        """Print a LINE while the task runs."""
        Display().display(line)

    def command(self, line: str, given: str = "") -> tuple[int, str, str]:
        """Exit code and both outputs of the shell command LINE on the host, with GIVEN as its standard input."""
        done = self._low_level_execute_command(line, in_data=given.encode() or NOTHING, sudoable=True)
        return done["rc"], done["stdout"], done["stderr"]

    def docker(self, *words: str) -> str:
        """What `docker WORDS` prints on the host."""
        code, out, complaint = self.command(shlex.join(["docker", *words]))
        if code:
            raise Failure(f"docker {' '.join(words[:2])} failed (exit {code}): {complaint.strip()}")
        return out

    def folder(self) -> str:
        """A folder of the host that is removed at the end of the task."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        return str(self._connection._shell.tmpdir)

    def login(self, registry: str, file: str) -> str:
        """A folder of the host with the configuration by which docker logs in to REGISTRY; "" where it needs none."""
        configuration = push.configuration(registry, Path(file)) if registry else ""
        if not configuration or self.check:
            return ""
        folder = self.folder()
        self._transfer_data(self._connection._shell.join_path(folder, "config.json"), configuration)
        return folder


class SwarmAction(Action):
    """`act_on` gets the engine of the host, which is a manager unless the documentation says otherwise."""

    def act(self, options: dict[str, Any]) -> dict[str, Any]:
        """The stack and the registry's login belong to the engine, the other options to the plugin."""
        # With -vvv a connection shows what commands print, and a service's definition holds the application's variables.
        self._connection._play_context.no_log = True
        # Where the playbook is killed, this process of it must not act on the swarm alongside the next run.
        self._playbook = os.getppid()
        login = self.login(options["registry"], options["login"]) if "registry" in options else ""
        return self.act_on(Engine(self._owned, options["stack"], self.show, login), options)

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """What the plugin does."""
        raise NotImplementedError

    def _owned(self, line: str, given: str) -> tuple[int, str, str]:
        if os.getppid() != self._playbook:
            raise Failure("the playbook was killed; the next command goes on from here")
        return self.command(line, given)
