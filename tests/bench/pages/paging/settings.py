"""The middlewares of ``startproject``; SQLite, connections kept, so that what is compared is not how one is opened."""

import os

from channels_stack.layers import channel_layers

SECRET_KEY = os.environ["SECRET_KEY"]
CHANNEL_LAYERS = channel_layers(os.environ["REDIS_URL"], os.environ["REDIS_PREFIX"])
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions", "messages")]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "paging.asgi"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BENCH_DATABASE"],
        "CONN_MAX_AGE": 60,
    }
}
USE_TZ = True
