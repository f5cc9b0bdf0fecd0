"""The options of plugins that start tasks: nodes get the login of the registry with them."""


class ModuleDocFragment:
    """What Ansible looks for."""

    DOCUMENTATION = """
options:
  registry:
    description: Address of the registry; empty where images are sent over SSH.
    type: str
    default: ''
  login:
    description: File of the controller with the login of the registry. The manager has it for as long as the task takes.
    type: path
    default: ''
"""
