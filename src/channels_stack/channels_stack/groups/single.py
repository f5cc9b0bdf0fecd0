"""One layer for a project that knows only `default`: groups and sockets here, jobs on the layer `tasks`."""

from __future__ import annotations

from ..layers.jobs_on_tasks import JobsOnTasks
from .layer import RedisGroupsChannelLayer


class SingleGroupsLayer(JobsOnTasks, RedisGroupsChannelLayer):
    """The groups layer, but for messages to a worker channel named in ``jobs``."""
