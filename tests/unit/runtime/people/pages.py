"""Signing in and out, and what an administrator may do to a user."""

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model, login, logout
from django.db import connection
from django.http import HttpResponse
from django.urls import path


def sign_in(request, name):
    login(request, get_user_model().objects.get_or_create(username=name)[0])
    return HttpResponse(name)


def sign_out(request):
    logout(request)
    return HttpResponse("signed out")


def who(request):
    return HttpResponse(request.user.username)


async def async_who(request):
    user = await request.auser() if hasattr(request, "auser") else await sync_to_async(lambda: request.user)()
    return HttpResponse(await sync_to_async(lambda: user.username)())


def disable(request, name):
    get_user_model().objects.filter(username=name).update(is_active=False)
    return HttpResponse("disabled")


def new_password(request, name):
    user = get_user_model().objects.get(username=name)
    user.set_password("another")
    user.save()
    return HttpResponse("changed")


def rename_sessions(request, old, new):
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")
    return HttpResponse("renamed")


urlpatterns = [
    path("sign-in/<name>/", sign_in),
    path("sign-out/", sign_out),
    path("who/", who),
    path("async-who/", async_who),
    path("disable/<name>/", disable),
    path("new-password/<name>/", new_password),
    path("rename/<old>/<new>/", rename_sessions),
]
