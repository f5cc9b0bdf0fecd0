"""Documentation and options of the action plugin release_diff (plugins/action/release_diff.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: release_diff
short_description: Report which services a rendered release would change
description:
  - Names of rotated secrets do not count. Changes nothing.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
  - channels_stack.deploy.releases
options:
  rendered:
    description: File of the controller with the services.
    type: path
    required: true
"""

RETURN = """
services:
  description: Services that differ from those of the current release.
  type: list
  returned: success
"""
