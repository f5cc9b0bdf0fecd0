"""Take or release the lock of the cluster."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.channels_stack.deploy.plugins.plugin_utils.actions import SwarmAction

from channels_stack_deploy.swarm import deploy_lock, jobs
from channels_stack_deploy.swarm.engine import Engine


class ActionModule(SwarmAction):
    """See plugins/modules/lock.py."""

    def act_on(self, engine: Engine, options: dict[str, Any]) -> dict[str, Any]:
        """The action runs in a process of its own: its parent is the ansible-playbook that a person started."""
        if options["state"] == "absent":
            return {
                "changed": False,
                "released": not self.check and deploy_lock.release(engine, os.getppid()),
            }
        if self.check:
            holder = deploy_lock.holder(engine)
            return {
                "changed": False,
                "msg": f"locked by {holder.who} since {holder.since}" if holder else "free",
            }
        report = deploy_lock.take(engine, deploy_lock.Holder.process(os.getppid()), options["unlock"])
        if left := jobs.leftover(engine):
            engine.tell(f"    removed what an interrupted run left: {', '.join(left)}")
        return {"changed": bool(left), "msg": report}
