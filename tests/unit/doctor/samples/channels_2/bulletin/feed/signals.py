# ruff: noqa
from channels.signals import consumer_finished, consumer_started  # planted: E103
from django.db import close_old_connections

consumer_started.connect(lambda **kwargs: close_old_connections())
consumer_finished.connect(lambda **kwargs: close_old_connections())
