from django.shortcuts import render


def page(request):
    return render(request, "studio.html", {"piano": request.scope["state"]["piano"]})
