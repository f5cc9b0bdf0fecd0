from pathlib import Path

from config.env import postgres, web

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = web.site_key
DEBUG = web.debug
ALLOWED_HOSTS = web.hosts
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.staticfiles",
    "channels",
    "books",
]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "config.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
ASGI_APPLICATION = "config.asgi.application"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": postgres.name,
        "USER": postgres.user,
        "PASSWORD": postgres.password,
        "HOST": postgres.host,
        "PORT": postgres.port,
    }
}
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [web.REDIS_URL]}}
}
CELERY_BROKER_URL = web.REDIS_URL
STATIC_URL = "static/"
