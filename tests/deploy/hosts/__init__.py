"""Test hosts: servers of one's own on this machine, and Ansible against them. README.md says how to use them."""

from .hosts import Hosts, HostsError, Play

__all__ = ["Hosts", "HostsError", "Play"]
