from django.urls import path

from . import views

urlpatterns = [path("", views.page), path("large/", views.large), path("slow/", views.slow)]
