"""What every process of the stack last reported: for the command `channels-stack status` and for the console.

``processes`` and ``aprocesses`` are part of the public interface.
"""

from .publisher import aprocesses, processes

__all__ = ["aprocesses", "processes"]
