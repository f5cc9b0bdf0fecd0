"""Documentation and options of the action plugin rotation (plugins/action/rotation.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: rotation
short_description: Make and switch rotated secrets on the controller
description:
  - A rotation goes through the steps C(choose), C(begin), C(switch), C(end); one that was interrupted goes on where it was.
options:
  folder:
    description: Folder of the controller with the secrets.
    type: path
    required: true
  step:
    description: Which step; C(choose) changes nothing.
    type: str
    choices: [choose, begin, switch, end]
    required: true
  what:
    description: Kinds of secrets, separated by commas.
    type: str
    default: ''
"""

RETURN = """
kinds:
  description: The kinds that are rotated.
  type: list
  returned: success
begun:
  description: Whether a rotation had begun before.
  type: bool
  returned: success
switched:
  description: Whether the files already had its new secrets.
  type: bool
  returned: success
"""
