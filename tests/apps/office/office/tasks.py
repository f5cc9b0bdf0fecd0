from asgiref.sync import async_to_sync
from celery import shared_task
from channels.layers import get_channel_layer

from .models import Letter


@shared_task
def print_letter(text):
    Letter.objects.create(text=text)
    async_to_sync(get_channel_layer().group_send)("desks", {"type": "printed", "text": text})


@shared_task
def tick():
    Letter.objects.get_or_create(text="from beat")
