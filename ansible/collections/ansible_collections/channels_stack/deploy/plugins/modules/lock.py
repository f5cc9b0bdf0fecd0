"""Documentation and options of the action plugin lock (plugins/action/lock.py)."""

from __future__ import annotations

DOCUMENTATION = """
module: lock
short_description: Take or release the lock of the cluster
description:
  - The lock is a Swarm config, whose creation is atomic. It names the ansible-playbook that holds it.
  - Taking it also removes what an interrupted run left of its jobs and trials. A check run only reports who holds it.
extends_documentation_fragment:
  - channels_stack.deploy.swarm
options:
  state:
    description: Whether this run holds the lock afterwards.
    type: str
    choices: [present, absent]
    default: present
  unlock:
    description: The C(since) of a lock that is taken away, whoever holds it.
    type: str
    default: ''
"""

RETURN = """
msg:
  description: What there is to report about the lock.
  type: str
  returned: success
released:
  description: Whether O(state=absent) released a lock of this run.
  type: bool
  returned: success
"""
