"""Documentation and options of the action plugin redis_users (plugins/action/redis_users.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: redis_users
short_description: Let Redis accept the credentials of an environment
description:
  - Runs on the host of the Redis node. Credentials in use before stay valid until a run with O(final=true).
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
  sentinel:
    description: Whether a Sentinel runs alongside it, which gets the credentials too.
    type: bool
    default: false
  final:
    description: Whether every other password is revoked.
    type: bool
    default: false
"""

RETURN = """
what:
  description: What was changed.
  type: list
  returned: success
"""
