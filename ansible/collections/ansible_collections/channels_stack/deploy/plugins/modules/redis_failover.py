"""Documentation and options of the action plugin redis_failover (plugins/action/redis_failover.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: redis_failover
short_description: Let another Redis node be the master
description:
  - Nothing happens where O(node) is not the master.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
options:
  node:
    description: Service of the Redis that shall not be the master.
    type: str
    required: true
"""
