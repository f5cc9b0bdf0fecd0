"""Documentation and options of the action plugin hook (plugins/action/hook.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: hook
short_description: Run what the operator has before and after a release
description:
  - Runs the programs C(hooks/EVENT) and C(hooks/notify) in the folder of the inventory, on the controller.
  - Their variables are listed in docs/reference/commands.md.
  - Fails where C(before-release) fails.
options:
  folder:
    description: Folder of the controller with the folder C(hooks).
    type: path
    required: true
  event:
    description: What has happened, or is about to.
    type: str
    choices: [before-release, after-release, failed-release, rolled-back]
    required: true
  values:
    description: Values of the programs' variables, by their names without C(HOOK_).
    type: dict
    default: {}
"""
