"""E2xx, W2xx: the ASGI application and its routes."""

from __future__ import annotations

from specimens import ASGI, CONSUMERS, ROUTES
from specimens import SETTINGS as S

from .edits import DAPHNE_APPS, INSTALLED, STATIC_APPS, add, code, required

DEFAULT = "from channels.routing import get_default_application\n\nother = get_default_application()\n"

CASES = [
    (
        "E201",
        {ASGI: ('        "http": django_application,\n', "")},
        {ASGI: ('        "http": django_application,\n', "        **{'http': django_application},\n")},
    ),
    (
        "E202",
        {
            ASGI: [
                ("import os\n", "import os\n\nfrom chat.routing import routes\n"),
                ("from chat.routing import routes\n\napplication", "application"),
            ]
        },
        {
            ASGI: (
                "import os\n",
                "import os\n\nfrom channels.auth import AuthMiddlewareStack\n"
                "from channels.generic.websocket import WebsocketConsumer\n",
            )
        },
    ),
    (
        "E203",
        {ROUTES: (".as_asgi()", "")},
        {ROUTES: ("consumers.Chat.as_asgi()", "consumers.Chat.as_asgi(), name='chat'")},
    ),
    (
        "E203",
        {ASGI: ("Thumbnails.as_asgi()", "Thumbnails")},
        {
            "config/urls.py": "from django.urls import path\n\nfrom chat.views import Page\n\n"
            "urlpatterns = [path('', Page)]\n"
        },
    ),
    (
        "E204",
        {
            ROUTES: (
                "routes = [",
                "from django.urls import include\n\nroutes = [path('x/', include('chat.more')), ",
            )
        },
        {
            "config/urls.py": "from django.urls import include, path\n\n"
            "urlpatterns = [path('', include('chat.urls'))]\n"
        },
    ),
    ("E205", {S: ("config.asgi.application", "chat.routing.application")}, {}),
    (
        "E205",
        {S: ('ASGI_APPLICATION = "config.asgi.application"\n', "")},
        {
            S: (
                'INSTALLED_APPS = ["channels", "django.contrib.contenttypes", "django.contrib.auth", "chat"]\n',
                'INSTALLED_APPS = ["channels"]\n',
            )
        },
    ),
    (
        "E205",
        {S: ("config.asgi.application", "chat.routing.routes")},
        {ASGI: ("application = Prot", "application: object = Prot")},
    ),
    (
        "E206",
        {ASGI: ("application = Prot", f"{DEFAULT}\napplication = Prot")},
        code(DEFAULT),  # ASGI_APPLICATION names config.asgi, which routes http
    ),
    (
        "E207",
        {S: [(INSTALLED, DAPHNE_APPS), ("DEFAULT_AUTO", "STATIC_ROOT = '/srv/static'\nDEFAULT_AUTO")]},
        {S: [(INSTALLED, STATIC_APPS), ("DEFAULT_AUTO", "STATIC_ROOT = '/srv/static'\nDEFAULT_AUTO")]},
    ),
    (
        "W208",
        required("daphne==4.2.3"),
        {**required("daphne==4.2.3"), S: (INSTALLED, 'INSTALLED_APPS = ["daphne", "channels", ')},
    ),
    ("W209", {S: (INSTALLED, "INSTALLED_APPS = [")}, {S: (INSTALLED, "INSTALLED_APPS = [*OTHERS, ")}),
    (
        "E210",
        add("Procfile", "worker: python manage.py runworker thumbnail\n"),
        add("Procfile", "worker: python manage.py runworker --layer tasks thumbnails\n"),
    ),
    (
        "W211",
        {CONSUMERS: ('send("thumbnails"', 'send("thumbs"')},
        {CONSUMERS: ('send("thumbnails"', "send(self.channel_name")},
    ),
]
