"""The console, and the doors of the tests."""

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth import get_user_model, login, logout
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.urls import include, path


def sign_in(request, name):
    """With ?staff and ?may=view, as an administrator would have made that user."""
    user, _ = get_user_model().objects.get_or_create(username=name)
    user.is_staff = "staff" in request.GET
    user.save()
    names = request.GET.getlist("may")
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="channels_stack_console", codename__in=names)
    )
    login(request, user)
    return HttpResponse(name)


def sign_out(request):
    logout(request)
    return HttpResponse("signed out")


def demote(request, name):
    get_user_model().objects.filter(username=name).update(is_staff=False)
    return HttpResponse("demoted")


def write(request, text):
    """A job that fails."""
    async_to_sync(get_channel_layer("tasks").send)("mail", {"type": "mail.send", "text": text})
    return HttpResponse("sent")


def say(request, group, text):
    async_to_sync(get_channel_layer().group_send)(group, {"type": "say", "text": text})
    return HttpResponse("said")


urlpatterns = [
    path("ops/console/", include("channels_stack.console.urls")),
    path("sign-in/<name>/", sign_in),
    path("say/<group>/<text>/", say),
    path("write/<text>/", write),
    path("sign-out/", sign_out),
    path("demote/<name>/", demote),
]
