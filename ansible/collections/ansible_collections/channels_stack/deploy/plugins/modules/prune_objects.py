"""Documentation and options of the action plugin prune_objects (plugins/action/prune_objects.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: prune_objects
short_description: Remove secrets and configs of a stack that nothing needs
description:
  - Removes those whose names are not in O(keep).
extends_documentation_fragment:
  - channels_stack.deploy.swarm
options:
  keep:
    description: Names of secrets and configs that stay.
    type: list
    elements: str
    required: true
"""

RETURN = """
removed:
  description: Names of what was removed.
  type: list
  returned: success
"""
