from django.contrib.auth import get_user_model
from django.shortcuts import render


def board(request):
    return render(request, "board.html", {"staff": get_user_model().objects.count()})
