"""Documentation and options of the action plugin redis_peer_password (plugins/action/redis_peer_password.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: redis_peer_password
short_description: Let a Redis node and its Sentinel log in to the others with the newest password
description:
  - For three nodes, when all of them accept that password.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
options:
  folder:
    description: Folder of the controller with the secrets.
    type: path
    required: true
  config:
    description: Folder of the host that Redis reads at its start.
    type: str
    required: true
  node:
    description: Service of the Redis.
    type: str
    required: true
"""
