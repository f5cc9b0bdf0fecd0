"""Documentation and options of the action plugin redis_wait (plugins/action/redis_wait.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: redis_wait
short_description: Wait until three Redis nodes are in order
description:
  - They are when two follow the third, and all Sentinels agree.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
options:
  seconds:
    description: How long to wait.
    type: float
    required: true
  required:
    description: Whether it is a failure if they are not.
    type: bool
    default: true
"""

RETURN = """
master:
  description: Service of the master; empty where they are not in order.
  type: str
  returned: success
"""
