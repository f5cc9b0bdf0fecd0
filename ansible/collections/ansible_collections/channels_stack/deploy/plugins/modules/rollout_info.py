"""Documentation and options of the action plugin rollout_info (plugins/action/rollout_info.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: rollout_info
short_description: Report which release runs, and what of it is missing
description:
  - Changes nothing.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
"""

RETURN = """
release:
  description: Name of the release; empty where none runs.
  type: str
  returned: success
missing:
  description: Services with fewer running tasks than their definition asks for.
  type: list
  returned: success
services:
  description: Names of the services.
  type: list
  returned: success
"""
