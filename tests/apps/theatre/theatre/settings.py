from configurations import Configuration, values


class Common(Configuration):
    SECRET_KEY = values.SecretValue(environ_prefix=None)
    ALLOWED_HOSTS = []
    INSTALLED_APPS = [
        "channels",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.staticfiles",
        "theatre",
    ]
    MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
    ROOT_URLCONF = "theatre.urls"
    TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
    STATIC_URL = "static/"

    @property
    def TITLE(self):
        return f"Tonight, {'rehearsal' if self.DEBUG else 'premiere'}"


class Development(Common):
    DEBUG = True
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


class Production(Common):
    DEBUG = values.BooleanValue(False)
    DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "theatre", "HOST": "localhost"}}
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": ["redis://localhost:6379"]}}
    }
