"""Documentation and options of the action plugin render (plugins/action/render.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: render
short_description: Make a release on the controller
description:
  - Reads settings and secrets of the environment, builds images, and writes what Swarm reads to C(rendered) in O(folder).
  - The content of secrets is in a file of mode 0600.
  - With a registry the images are pushed. To the stack's own that goes through SSH, so the task is delegated to its host.
  - In check mode nothing is written, built or pushed.
extends_documentation_fragment:
  - channels_stack.deploy.login
options:
  folder:
    description: Folder of the environment on the controller.
    type: path
    required: true
  settings:
    description: Settings of the stack.
    type: dict
    required: true
  application:
    description: Variables of the application.
    type: dict
    required: true
  options:
    description: What depends on the servers.
    type: dict
    required: true
  name:
    description: Name of the release; empty for the hash of its content.
    type: str
    default: ''
  forward:
    description: Whether the registry is reached through the SSH connection of the task.
    type: bool
    default: false
  inventory:
    description: The inventory, which may hold the probes of the application.
    type: path
    required: true
"""

RETURN = """
release:
  description: Name of the release.
  type: str
  returned: success
images:
  description: Variable to image, by the names that the hosts get them by.
  type: dict
  returned: success
files:
  description: Names of the files.
  type: list
  returned: success
folder:
  description: Their folder.
  type: str
  returned: success
networks:
  description: Networks of the stack.
  type: list
  returned: success
objects:
  description: Secrets and configs without their content.
  type: list
  returned: success
services:
  description: Names of the services.
  type: list
  returned: success
probes:
  description: File with the application's probes; empty for none.
  type: str
  returned: success
"""
