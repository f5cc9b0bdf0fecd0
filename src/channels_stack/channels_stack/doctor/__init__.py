"""`channels-stack doctor`: says what will break in production, or on the way from Channels 1-3 to 4.

``files`` finds and parses what a project consists of, ``values`` and ``settings`` compute what its settings say
without running it, ``rules/`` holds one function for each problem, ``report`` writes the findings down. With
``--run`` the rules about settings judge the imported project (``live``); with ``--stack`` a running Redis and
PostgreSQL are asked (``stack``). ``checks`` offers the same rules as Django's system checks.

Nothing here imports Django or Redis before ``--run``, ``--stack`` or the system checks need it.
"""
