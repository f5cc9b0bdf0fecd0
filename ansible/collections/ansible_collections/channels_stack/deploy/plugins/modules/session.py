"""Documentation and options of the action plugin session (plugins/action/session.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: session
short_description: How the verbs of make get to a host
description:
  - Returns the command that opens a session by Ansible's own connection, with its jump hosts, keys, user and port.
  - Asks the host nothing.
  - The options are returned as they are, so that a command without a playbook learns what the inventory says.
options:
  stack:
    description: Name of the stack in the swarm.
    type: str
    required: true
  root:
    description: Folder of the managers with the releases.
    type: str
    required: true
  folder:
    description: Folder of the controller with settings and secrets.
    type: str
    required: true
"""

RETURN = """
ssh:
  description: Words of the command.
  type: list
  elements: str
  returned: success
groups:
  description: Groups of the inventory that the host is in.
  type: list
  elements: str
  returned: success
number:
  description: Place of the host in the inventory.
  type: int
  returned: success
"""
