"""Documentation and options of the action plugin registry_prune (plugins/action/registry_prune.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: registry_prune
short_description: Remove from the stack's own registry what no release needs
description:
  - Runs on the registry's host, under the lock of the cluster, because nothing may push meanwhile. Frees the space as well.
options:
  stack:
    description: Name of the registry's own stack.
    type: str
    required: true
  folder:
    description: Folder of the environment on the controller.
    type: path
    required: true
  registry:
    description: Address of the registry.
    type: str
    required: true
  login:
    description: File of the controller with its login.
    type: path
    required: true
  authority:
    description: Certificate of its authority.
    type: path
    required: true
  needed:
    description: Images of the releases that are retained.
    type: list
    elements: str
    required: true
  old:
    description: Images of the releases that are not.
    type: list
    elements: str
    required: true
"""

RETURN = """
removed:
  description: What was removed.
  type: list
  returned: success
"""
