"""Documentation and options of the action plugin registry_service (plugins/action/registry_service.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: registry_service
short_description: Prepare the stack's own registry on the controller
description:
  - Builds its image, makes its login and certificate, and writes what Swarm reads to C(registry) in O(folder).
  - The content of secrets is in a file of mode 0600.
  - In check mode nothing is written or built.
options:
  folder:
    description: Folder of the environment on the controller.
    type: path
    required: true
  settings:
    description: Settings of the stack.
    type: dict
    required: true
  stack:
    description: Name of the registry's own stack.
    type: str
    required: true
  node:
    description: Node that it runs on.
    type: str
    required: true
  address:
    description: IPv4 address of that node.
    type: str
    required: true
  port:
    description: Its port.
    type: int
    required: true
  login:
    description: File of the controller with its login.
    type: path
    required: true
"""

RETURN = """
release:
  description: Name of its definition.
  type: str
  returned: success
image:
  description: Its image.
  type: str
  returned: success
files:
  description: Names of the files.
  type: list
  returned: success
folder:
  description: Their folder.
  type: str
  returned: success
objects:
  description: Secrets and configs without their content.
  type: list
  returned: success
"""
