# ruff: noqa
from .base import *

DEBUG = False
SECRET_KEY_FALLBACKS = os.environ["OLD_KEYS"].split()
ALLOWED_HOSTS = os.environ["HOSTS"].split(",")
DATABASES["default"]["CONN_MAX_AGE"] = 60  # planted: E402
DATABASES["default"].setdefault("OPTIONS", {}).update(
    {"pool": {"min_size": 2, "max_size": 25}}  # planted: W403
)
