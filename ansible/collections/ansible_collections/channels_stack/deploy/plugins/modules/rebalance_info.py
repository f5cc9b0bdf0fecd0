"""Documentation and options of the action plugin rebalance_info (plugins/action/rebalance_info.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: rebalance_info
short_description: Report which tasks have to move until every node has its share
description:
  - Changes nothing.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
"""

RETURN = """
moves:
  description: Service to how many of its tasks have to move.
  type: dict
  returned: success
"""
