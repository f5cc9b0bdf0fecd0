"""Documentation and options of the action plugin replica_problems (plugins/action/replica_problems.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: replica_problems
short_description: Print why the replicas of a host do not serve
description:
  - Changes nothing.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
"""
