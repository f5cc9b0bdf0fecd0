"""Documentation and options of the action plugin prune_releases (plugins/action/prune_releases.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: prune_releases
short_description: Report which releases, images and objects no rollback needs
description:
  - Removes the secrets and configs of those releases, and the names that the controller gave their images.
  - Folders and images of the hosts are left to the caller.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
  - channels_stack.deploy.releases
options:
  keep:
    description: How many releases are retained.
    type: int
    required: true
"""

RETURN = """
releases:
  description: Releases that are not retained.
  type: list
  returned: success
images:
  description: Images that only those need.
  type: list
  returned: success
needed:
  description: Images of retained releases.
  type: list
  returned: success
objects:
  description: Secrets and configs that were removed.
  type: list
  returned: success
"""
