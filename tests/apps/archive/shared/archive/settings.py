"""The database is described by a service file of the developer's."""

SECRET_KEY = "django-insecure-archive"
DEBUG = True
ALLOWED_HOSTS = []
INSTALLED_APPS = [
    "channels",
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
    "archive",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "archive.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
STATIC_URL = "/static/"
ASGI_APPLICATION = "archive.asgi.application"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": {"service": "archive", "passfile": ".archive_pgpass"},
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": ["redis://127.0.0.1:6379/1"]},
    }
}
USE_TZ = True
