"""Documentation and options of the action plugin scale (plugins/action/scale.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: scale
short_description: Change the number of tasks of services
description:
  - The next release sets the numbers of its settings again.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
options:
  replicas:
    description: Service to number of tasks; an empty number leaves the service as it is.
    type: dict
    required: true
  seconds:
    description: How long it may take.
    type: float
    required: true
"""

RETURN = """
scaled:
  description: Services whose number changed.
  type: list
  returned: success
"""
