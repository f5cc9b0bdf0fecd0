"""channels-stack: what makes a Django Channels application behave in production.

What an application may import is listed in README.md: the modules on the top level, next to the rooms, and the packages
``groups``, ``layers`` and ``status``. The rooms, lowest first; each imports from those before it only
(tests/unit/runtime/test_rooms.py):

stores, config, asgi, observability, layers, groups, patches, project, jobs, lifecycle, status, console, middleware, servers,
doctor, commands
"""

__version__ = "0.1.0"
