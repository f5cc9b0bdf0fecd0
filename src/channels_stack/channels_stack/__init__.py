"""channels-stack: what makes a Django Channels application behave in production.

An application may import ``channels_stack.environment``, ``channels_stack.layers`` and
``channels_stack.status``; everything else is the stack's own.
"""

__version__ = "0.1.0"
