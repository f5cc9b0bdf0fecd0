"""Documentation and options of the action plugin objects (plugins/action/objects.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: objects
short_description: Create networks, secrets and configs of a stack
description:
  - Creates those that are missing. Names of secrets and configs contain the hash of their content, so nothing is ever changed.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
options:
  networks:
    description: Networks, as M(channels_stack.deploy.render) returns them.
    type: list
    elements: dict
    required: true
  objects:
    description: Secrets and configs without their content, as M(channels_stack.deploy.render) returns them.
    type: list
    elements: dict
    required: true
  content:
    description: File of the controller with the same secrets and configs and their content.
    type: path
    required: true
"""

RETURN = """
made:
  description: Names of what was created.
  type: list
  returned: success
"""
