from django.shortcuts import render
from django.urls import path

from .models import Letter

urlpatterns = [path("", lambda request: render(request, "office.html", {"letters": Letter.objects.all()}))]
