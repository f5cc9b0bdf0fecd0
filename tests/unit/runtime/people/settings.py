"""A project with users and sessions, as Django's documentation has them: nothing of it knows the stack."""

import os

SECRET_KEY = os.environ["SECRET_KEY"]
SECRET_KEY_FALLBACKS = os.environ.get("SECRET_KEY_FALLBACKS", "").split()
SESSION_ENGINE = os.environ.get("TEST_SESSION_ENGINE", "django.contrib.sessions.backends.db")
SESSION_COOKIE_NAME = "who"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "channels",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "people.pages"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["TEST_DATABASE"],
        "OPTIONS": {"timeout": 20},
    }
}
# Pages and websockets are two processes: they share no memory.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": os.environ["TEST_DATABASE"] + ".cache",
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if os.environ.get("TEST_CACHE_AWAY"):
    CACHES = {"default": {"BACKEND": "people.forgetful.Cache", "LOCATION": os.environ["TEST_CACHE_AWAY"]}}
