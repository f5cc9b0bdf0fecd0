"""A layer in memory, and something to do before serving (asgi.py)."""

SECRET_KEY = "django-insecure-studio"
DEBUG = True
ALLOWED_HOSTS = []
INSTALLED_APPS = [
    "channels",
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
    "studio",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "studio.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
STATIC_URL = "/static/"
ASGI_APPLICATION = "studio.asgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
USE_TZ = True
