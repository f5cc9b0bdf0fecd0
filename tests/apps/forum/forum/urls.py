import django_rq
import redis
from django.conf import settings
from django.core.cache import cache, caches
from django.http import JsonResponse
from django.shortcuts import render
from django.urls import path

from .jobs import count
from .presence import lock, prizes


def page(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    shown = caches["pages"].get_or_set("title", "Forum")
    return render(request, "forum.html", {"title": shown, "visits": request.session["visits"]})


def draw(request):
    with lock.lock("draw", timeout=10):
        prizes.sadd("prizes", *request.GET.getlist("prize"))
        drawn = [prizes.spop("prizes") for _ in request.GET.getlist("prize")]
    return JsonResponse({"drawn": sorted(drawn), "left": prizes.scard("prizes")})


def people(request):
    return JsonResponse({"people": redis.from_url(settings.REDIS_URL).scard("people")})


def counted(request, word):
    if cache.get(f"counted:{word}") is None:
        django_rq.get_queue().enqueue(count, word)
    return JsonResponse({"letters": cache.get(f"counted:{word}")})


def forget(request):
    caches["pages"].clear()
    return JsonResponse({"forgotten": cache.delete_pattern("counted:*")})


urlpatterns = [
    path("", page),
    path("draw/", draw),
    path("people/", people),
    path("counted/<word>/", counted),
    path("forget/", forget),
]
