"""Documentation and options of the action plugin redis_diff (plugins/action/redis_diff.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: redis_diff
short_description: Report which of three Redis nodes a file would replace
description:
  - Changes nothing.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
options:
  path:
    description: File of the manager with the new definitions.
    type: str
    required: true
  current:
    description: File of the manager with the definitions in use.
    type: str
    required: true
"""

RETURN = """
nodes:
  description: Services that would be replaced, or whose Sentinels would.
  type: list
  returned: success
"""
