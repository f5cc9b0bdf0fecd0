"""A page that tells a group and orders a job, one that fails, and one whose view is asynchronous."""

import logging

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.http import HttpResponse
from django.urls import path

log = logging.getLogger("traced")


def tell(request, room):
    """Tell the room, and let a worker tell it too."""
    log.info("telling %s", room)
    async_to_sync(get_channel_layer().group_send)(room, {"type": "room.said", "by": "page", "more": [1]})
    async_to_sync(get_channel_layer("tasks").send)("reports", {"type": "report.make", "room": room})
    return HttpResponse("told")


def fail(request):
    """What everybody's page does some day."""
    raise RuntimeError("a secret of a visitor")


async def quick(request):
    """An asynchronous view."""
    return HttpResponse("quick")


urlpatterns = [
    path("", quick),
    path("tell/<slug:room>/", tell),
    path("fail/", fail),
    path("quick/", quick),
]
