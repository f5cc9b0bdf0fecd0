import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from configurations.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "theatre.settings")
os.environ.setdefault("DJANGO_CONFIGURATION", "Production")
django = get_asgi_application()

from theatre.routing import routes

application = ProtocolTypeRouter({"http": django, "websocket": AllowedHostsOriginValidator(URLRouter(routes))})
