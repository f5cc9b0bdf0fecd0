from .base import *
from .base import env

SECRET_KEY = env("DJANGO_SECRET_KEY", default="test-bakery-key-test-bakery-key-test-bakery-key-te")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
