"""Documentation and options of the action plugin packages (plugins/action/packages.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: packages
short_description: Fetch on the controller what a host lacks, and install it there
description:
  - The packages of the engine are always included. A check run only says which are missing.
options:
  names:
    description: Names of packages.
    type: list
    elements: str
    required: true
  settings:
    description: Settings of the stack that say where packages come from.
    type: dict
    required: true
"""

RETURN = """
packages:
  description: Packages that were missing.
  type: list
  returned: success
"""
