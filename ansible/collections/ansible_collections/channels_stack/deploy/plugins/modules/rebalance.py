"""Documentation and options of the action plugin rebalance (plugins/action/rebalance.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: rebalance
short_description: Move tasks until every node has its share
description:
  - Swarm never moves a running task. New tasks are started where tasks are missing; the surplus is stopped when they are healthy.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
options:
  seconds:
    description: How long each direction may take.
    type: float
    required: true
"""

RETURN = """
moved:
  description: Services whose tasks moved.
  type: list
  returned: success
"""
