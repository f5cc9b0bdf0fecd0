"""Documentation and options of the action plugin job (plugins/action/job.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: job
short_description: Run a job of a release to its end
description:
  - Shows the steps that the job logs. Nothing runs where O(current) has the very same job.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
  - channels_stack.deploy.login
options:
  service:
    description: Name of the job.
    type: str
    required: true
  path:
    description: File of the manager that defines the job.
    type: str
    required: true
  current:
    description: The same file of the release that runs; empty to run the job in any case.
    type: str
    default: ''
  seconds:
    description: How long it may take.
    type: float
    required: true
"""
