"""Signing in and out, and what an administrator may do to a user."""

import asyncio

import django.contrib.auth as django_auth
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


async def async_two_looks(request):
    """As an async view with `gather`, or a middleware beside `auser()`."""
    look = getattr(django_auth, "aget_user", None) or sync_to_async(
        django_auth.get_user, thread_sensitive=False
    )
    users = await asyncio.gather(look(request), look(request))
    return HttpResponse(await sync_to_async(lambda: " ".join(user.username for user in users))())


def replaced(request):
    """What of Django and Channels is not their own."""
    import channels.auth

    functions = {
        "get_user": django_auth.get_user,
        "aget_user": getattr(django_auth, "aget_user", None),
        "channels": getattr(channels.auth.get_user, "func", channels.auth.get_user),
    }
    return HttpResponse(" ".join(n for n, f in functions.items() if "channels_stack" in _file(f)))


def _file(function):
    return function.__code__.co_filename if function is not None else ""


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
    path("async-two-looks/", async_two_looks),
    path("replaced/", replaced),
    path("disable/<name>/", disable),
    path("new-password/<name>/", new_password),
    path("rename/<old>/<new>/", rename_sessions),
]
