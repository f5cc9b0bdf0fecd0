"""The URLs of the site."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("console/", include("channels_stack.console.urls")),
    path("", include("rooms.urls")),
]
