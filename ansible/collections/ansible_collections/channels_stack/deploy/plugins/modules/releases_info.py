"""Documentation and options of the action plugin releases_info (plugins/action/releases_info.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: releases_info
short_description: Report which releases a manager retains
description:
  - Changes nothing.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
  - channels_stack.deploy.releases
"""

RETURN = """
releases:
  description: Names of the releases.
  type: list
  returned: success
current:
  description: The release that runs.
  type: str
  returned: success
previous:
  description: The release that a rollback leads to; empty for none.
  type: str
  returned: success
manifests:
  description: Release to its manifest.
  type: dict
  returned: success
"""
