"""Documentation and options of the action plugin images (plugins/action/images.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: images
short_description: Bring images to the host that lacks them
description:
  - Over SSH only missing images are sent, and of them only missing layers.
  - An engine that does not take such an archive gets the whole one.
  - With a registry the host pulls them from there.
extends_documentation_fragment:
  - channels_stack.deploy.login
options:
  images:
    description: Names of images.
    type: list
    elements: str
    required: true
  compress:
    description: Whether the archive is compressed.
    type: bool
    default: true
"""

RETURN = """
shipped:
  description: Images that the host lacked.
  type: list
  returned: success
"""
