from django.conf import settings
from django.shortcuts import render
from django.urls import path

from .models import Letter


def page(request):
    papers = [paper.read_text() for paper in settings.PAPERS.glob("*.txt")]
    return render(request, "office.html", {"letters": Letter.objects.all(), "papers": papers})


urlpatterns = [path("", page)]
