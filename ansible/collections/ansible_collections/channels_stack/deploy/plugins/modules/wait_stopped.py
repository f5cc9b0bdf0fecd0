"""Documentation and options of the action plugin wait_stopped (plugins/action/wait_stopped.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: wait_stopped
short_description: Wait until no task of an earlier definition runs
description:
  - Does not fail where some still run, but reports them.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
options:
  seconds:
    description: How long to wait.
    type: float
    required: true
"""

RETURN = """
running:
  description: Tasks that still run.
  type: list
  returned: success
"""
