import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "market.settings")
django = get_asgi_application()

from market.routing import routes

application = ProtocolTypeRouter({"http": django, "websocket": AllowedHostsOriginValidator(URLRouter(routes))})
