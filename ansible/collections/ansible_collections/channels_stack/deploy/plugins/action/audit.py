"""Note in the audit of a manager that a playbook begins, or how it ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from ansible import context
from channels_stack_deploy.console import Failure
from channels_stack_deploy.operate import audit
from channels_stack_deploy.swarm import deploy_lock
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/audit.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """The audit is no state of the stack, so nothing is reported as changed."""
        if not self.check:
            # The ansible-playbook that a person started is the parent of this process.
            identity = f"{os.getppid()}-{deploy_lock.began(os.getppid())}"
            line = audit.begun(identity, Path(context.CLIARGS["args"][0]).stem, context.CLIARGS["extra_vars"])
            if options["state"] == "ended":
                line = audit.ended(line, int(options["failed"]))
            code, _, complaint = engine.run(*audit.adding(options["folder"], line))
            if code:
                raise Failure(f"{options['folder']}/{audit.FILE} cannot be written: {complaint.strip()}")
        return {"changed": False}
