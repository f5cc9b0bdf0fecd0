"""As of Channels 3: pages over wsgi.py, sessions in the cache that Django has by default."""

SECRET_KEY = "django-insecure-museum"
DEBUG = True
ALLOWED_HOSTS = []
INSTALLED_APPS = [
    "channels",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "museum",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "museum.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
STATIC_URL = "/static/"
WSGI_APPLICATION = "museum.wsgi.application"
ASGI_APPLICATION = "museum.asgi.application"
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [("localhost", 6379)]},
    }
}
USE_TZ = True
