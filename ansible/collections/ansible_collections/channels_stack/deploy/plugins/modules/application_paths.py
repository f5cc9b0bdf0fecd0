"""Documentation and options of the action plugin application_paths (plugins/action/application_paths.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: application_paths
short_description: Report the WebSocket routes and the static prefix of the application
description:
  - Asks a replica on the host of the task. Changes nothing.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
"""

RETURN = """
paths:
  description: JSON of C(channels-stack paths); empty where no replica answers.
  type: str
  returned: success
"""
