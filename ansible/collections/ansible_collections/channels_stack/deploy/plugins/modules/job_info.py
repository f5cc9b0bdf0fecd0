"""Documentation and options of the action plugin job_info (plugins/action/job_info.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: job_info
short_description: Report whether a job of a release has to run
description:
  - Compares definitions apart from the names of secrets. Changes nothing.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
options:
  current:
    description: File of the manager with the job of the release that runs.
    type: str
    required: true
  rendered:
    description: File of the controller with the job of the new release.
    type: path
    required: true
"""

RETURN = """
due:
  description: Whether the job differs.
  type: bool
  returned: success
"""
