import io

import magic
from django.shortcuts import render
from django.urls import path
from PIL import Image


def page(request):
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    return render(request, "legacy.html", {"kind": magic.from_buffer(picture.getvalue(), mime=True)})


urlpatterns = [path("", page)]
