from django.shortcuts import render

from .models import Score


def table(request):
    return render(request, "table.html", {"scores": Score.objects.order_by("-points")})
