"""Documentation and options of the action plugin record (plugins/action/record.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: record
short_description: Add a line to the history of releases
description:
  - The history on each manager decides what a rollback leads to.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
  - channels_stack.deploy.releases
options:
  event:
    description: What happened.
    type: str
    choices: [begun, served, back, failed]
    required: true
  release:
    description: The release that it happened to.
    type: str
    required: true
"""
