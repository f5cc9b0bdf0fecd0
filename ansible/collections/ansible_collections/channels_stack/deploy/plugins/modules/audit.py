"""Documentation and options of the action plugin audit (plugins/action/audit.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: audit
short_description: Note in the audit of a manager that a playbook begins, or how it ended
description:
  - C(make audit) shows who ran which playbook with which extra variables, and how it ended.
  - Values that look like secrets are left out.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
options:
  folder:
    description: Folder of the manager with the audit.
    type: str
    required: true
  state:
    description: Whether the playbook begins or has ended.
    type: str
    choices: [begun, ended]
    default: begun
  failed:
    description: Whether what has O(state=ended) failed.
    type: bool
    default: false
"""
