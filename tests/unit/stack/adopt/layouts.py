"""Files of projects, by path."""

from __future__ import annotations

SETTINGS = 'INSTALLED_APPS = ["django.contrib.auth"]\nROOT_URLCONF = "mysite.urls"\n'
MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "{}")\n'
ASGI = (
    "import os\nfrom django.core.asgi import get_asgi_application\n"
    'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{}")\napplication = get_asgi_application()\n'
)
ROUTER = (
    "from channels.routing import ChannelNameRouter, ProtocolTypeRouter\n"
    "application = ProtocolTypeRouter({})\n"
)
PLAIN = {
    "manage.py": MANAGE.format("mysite.settings"),
    "mysite/__init__.py": "",
    "mysite/settings.py": SETTINGS,
    "mysite/asgi.py": ASGI.format("mysite.settings"),
    "requirements.txt": "Django\nchannels\n",
}
"""What `django-admin startproject mysite` writes, as far as it matters, and a requirements file."""

SPLIT = {
    "manage.py": MANAGE.format("config.settings.local"),
    "config/settings/__init__.py": "",
    "config/settings/base.py": SETTINGS,
    "config/settings/local.py": "from .base import *\n",
    "config/settings/production.py": "from .base import *\n",
    "config/settings/test.py": "from .base import *\n",
    "config/asgi.py": ASGI.format("config.settings.production"),
    "requirements/base.txt": "Django\nchannels\n",
    "requirements/local.txt": "-r base.txt\nsphinx\n",
    "requirements/production.txt": "-r base.txt\nuwsgi\n",
}
"""cookiecutter-django's layout."""

MYSITE = {"APP_SETTINGS": "mysite.settings", "APP_ASGI": "mysite.asgi:application", "APP_WORKER_CHANNELS": ""}


def below(folder, files):
    """FILES in a FOLDER."""
    return {f"{folder}/{path}": text for path, text in files.items()}
