from asgiref.sync import async_to_sync
from celery import shared_task
from channels.layers import get_channel_layer
from django.conf import settings

from .models import Letter


@shared_task
def print_letter(text):
    Letter.objects.create(text=text)
    (settings.PAPERS / "last.txt").write_text(text)
    async_to_sync(get_channel_layer().group_send)("desks", {"type": "printed", "text": text})


@shared_task
def tick():
    Letter.objects.get_or_create(text="from beat")
