"""The option of plugins that read or change which releases a manager retains."""


class ModuleDocFragment:
    """What Ansible looks for."""

    DOCUMENTATION = """
options:
  folder:
    description: Folder of the manager with the releases.
    type: str
    required: true
"""
