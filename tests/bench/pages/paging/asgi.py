"""The application, and its pages: synchronous, asynchronous, and with one query."""

from django.core.asgi import get_asgi_application

application = get_asgi_application()

from django.db import connection  # Django is set up above
from django.http import JsonResponse
from django.urls import path

ANSWER = {"message": "Hello, World!"}


def sync(request):
    return JsonResponse(ANSWER)


async def asynchronous(request):
    return JsonResponse(ANSWER)


def query(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return JsonResponse(ANSWER)


urlpatterns = [path("sync/", sync), path("async/", asynchronous), path("query/", query)]
