# ruff: noqa
from .base import *

DEBUG = True
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "not a secret"
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
