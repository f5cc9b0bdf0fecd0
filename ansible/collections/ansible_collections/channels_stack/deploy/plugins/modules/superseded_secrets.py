"""Documentation and options of the action plugin superseded_secrets (plugins/action/superseded_secrets.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: superseded_secrets
short_description: Report which secrets of retained releases have been rotated
description:
  - Changes nothing.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
  - channels_stack.deploy.releases
options:
  release:
    description: The release that runs, with the new secrets.
    type: str
    required: true
"""

RETURN = """
names:
  description: Name of an old secret to the name of the new one.
  type: dict
  returned: success
"""
