"""The pages of the console: ``path("console/", include("channels_stack.console.urls"))``."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "channels_stack_console"
urlpatterns = [
    path("", views.page, {"name": "overview"}, name="overview"),
    path("sockets/", views.page, {"name": "sockets"}, name="sockets"),
    path("sockets/close/", views.close, name="close"),
    path("groups/", views.page, {"name": "groups"}, name="groups"),
    path("jobs/", views.page, {"name": "jobs"}, name="jobs"),
    path("jobs/letter/", views.letter, name="letter"),
    path("jobs/retry/", views.settle, {"action": "retry"}, name="retry"),
    path("jobs/drop/", views.settle, {"action": "drop"}, name="drop"),
    path("processes.json", views.processes, name="processes"),
]
