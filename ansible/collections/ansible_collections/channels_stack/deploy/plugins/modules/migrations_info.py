"""Documentation and options of the action plugin migrations_info (plugins/action/migrations_info.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: migrations_info
short_description: Report which migrations of the database a release does not know
description:
  - Runs the job C(migrations) of both releases. Changes nothing in the database.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
  - channels_stack.deploy.login
options:
  path:
    description: File of the manager with the job of the release to go to.
    type: str
    required: true
  current:
    description: The same file of the release that runs.
    type: str
    required: true
  seconds:
    description: How long each job may take.
    type: float
    required: true
"""

RETURN = """
unknown:
  description: Names of migrations that the release does not know.
  type: list
  returned: success
incompatible:
  description: Those that its code is not compatible with, each with name and reason.
  type: list
  returned: success
"""
