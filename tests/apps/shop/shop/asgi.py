import os

import dotenv
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

dotenv.read_dotenv(os.path.join(os.path.dirname(os.path.dirname(__file__)), ".env"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
http = get_asgi_application()

from shop.consumers import Stock

application = ProtocolTypeRouter({"http": http, "websocket": URLRouter([path("shop/stock/", Stock.as_asgi())])})
