"""Documentation and options of the action plugin postgres_logins (plugins/action/postgres_logins.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: postgres_logins
short_description: Let PostgreSQL accept the credentials of an environment
description:
  - Runs on the host of PostgreSQL. Credentials in use before stay valid until a run with O(final=true).
extends_documentation_fragment:
  - channels_stack.deploy.swarm
options:
  folder:
    description: Folder of the controller with the secrets.
    type: path
    required: true
  final:
    description: Whether every other role loses its login.
    type: bool
    default: false
"""

RETURN = """
what:
  description: What was changed.
  type: list
  returned: success
"""
