"""The pages where a middleware has changed request.urlconf."""

from django.urls import path

from . import pages

urlpatterns = [path("page/", pages.async_page), path("only-there/", pages.async_page)]
