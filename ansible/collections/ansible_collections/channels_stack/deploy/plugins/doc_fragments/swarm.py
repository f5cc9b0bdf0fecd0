"""The options of every plugin that asks the engine of a host."""


class ModuleDocFragment:
    """What Ansible looks for."""

    DOCUMENTATION = """
options:
  stack:
    description: Name of the stack in the swarm.
    type: str
    required: true
notes:
  - Runs on a manager (C(delegate_to)) unless the description says otherwise, and supports check mode.
"""
