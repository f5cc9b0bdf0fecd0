"""The pages."""

from django.shortcuts import get_object_or_404, redirect, render
from django.templatetags.static import static
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from . import store
from .forms import RoomForm
from .models import LONGEST_TEXT, Room


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def rooms(request):
    """The list of rooms; POST makes one."""
    form = RoomForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect(form.save())
    context = {"rooms": store.listed_rooms(), "form": form}
    return render(request, "rooms/rooms.html", context, status=422 if form.errors else 200)


@never_cache
@require_http_methods(["GET", "HEAD"])
def room(request, slug):
    """A room with its newest messages, or, with ?before=, with older ones: readable without JavaScript."""
    found = get_object_or_404(Room, slug=slug)
    given = request.GET.get("before", "")
    before = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None
    messages, more = store.page_before(found.pk, before)
    context = {
        "room": found,
        "room_messages": messages,
        "more": more,
        "live": before is None,
        "longest_text": LONGEST_TEXT,
        "start": {
            "user": request.user.get_username(),
            "room": found.slug,
            "last": messages[-1].sequence if messages else 0,
            "more": more,
            "client": static("channels_stack/recoverable.js"),
        },
    }
    return render(request, "rooms/room.html", context)
