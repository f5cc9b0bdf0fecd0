"""channels-stack: what makes a Django Channels application behave in production.

An application may import what is on the top level, next to the rooms: ``environment``, ``sentinels``, ``producer``, ``streams``,
``single_layer``, ``static_storage`` and ``overlay``, and the packages ``layers`` and ``status``. The rooms, lowest first; each
imports from those before it only (tests/unit/runtime/test_rooms.py):

stores, config, asgi, observability, layers, patches, project, jobs, lifecycle, status, middleware, servers, doctor, commands
"""

__version__ = "0.1.0"
