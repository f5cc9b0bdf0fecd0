from django.shortcuts import render


def page(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return render(request, "museum.html", {"visits": request.session["visits"]})
