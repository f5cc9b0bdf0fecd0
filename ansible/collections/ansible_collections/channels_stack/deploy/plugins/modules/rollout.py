"""Documentation and options of the action plugin rollout (plugins/action/rollout.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: rollout
short_description: Replace the tasks of services step by step
description:
  - Applies a rendered file and follows every service until its tasks are replaced. If Swarm reverts one, the task fails.
  - Nothing happens where O(current) defines the same.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
  - channels_stack.deploy.login
options:
  path:
    description: File of the manager with the services.
    type: str
    required: true
  current:
    description: File of the release that runs; empty to roll out in any case.
    type: str
    default: ''
  services:
    description: Only these services of the file.
    type: list
    elements: str
  prune:
    description: Whether services that the file does not name are removed.
    type: bool
    default: true
  seconds:
    description: How long it may take.
    type: float
    required: true
"""

RETURN = """
rolled:
  description: Services that were replaced.
  type: list
  returned: success
"""
