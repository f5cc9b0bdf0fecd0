"""Documentation and options of the action plugin trial (plugins/action/trial.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: trial
short_description: Try new tasks alongside those that serve
description:
  - Starts the services of a file, waits until they are healthy, watches them, runs a job that compares them, and removes them.
  - Nothing happens where O(current) defines the same.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
  - channels_stack.deploy.login
options:
  path:
    description: File of the manager that defines the trial.
    type: str
    required: true
  current:
    description: The same file of the release that runs.
    type: str
    required: true
  healthy_seconds:
    description: How long they may take to become healthy.
    type: float
    required: true
  steady_seconds:
    description: How long they are watched then.
    type: float
    required: true
  job:
    description: Name of the job that compares them; defined in the file of that name next to O(path).
    type: str
    required: true
"""
