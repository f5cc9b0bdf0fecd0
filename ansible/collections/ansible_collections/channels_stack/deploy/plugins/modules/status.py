"""Documentation and options of the action plugin status (plugins/action/status.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: status
short_description: Print nodes, services, processes, edges, backups and the history of releases
description:
  - Changes nothing.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
  - channels_stack.deploy.releases
options:
  facts:
    description: What the hosts reported, as the filter P(channels_stack.deploy.facts#filter) collects it.
    type: dict
    required: true
"""
