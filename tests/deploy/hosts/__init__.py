"""Test hosts: servers of one's own on this machine, and Ansible against them. README.md says how to use them."""

from .hosts import Hosts, HostsError, Play
from .line import captured
from .machines import Machines, missing

__all__ = ["Hosts", "HostsError", "Machines", "Play", "captured", "missing"]
