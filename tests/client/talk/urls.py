"""A page for the client, and the client."""

from pathlib import Path

from django.http import HttpResponse
from django.urls import path

CLIENT = Path(__file__).parents[3] / "src/client/recoverable.js"
PAGE = """<!doctype html><title>talk</title><script type="module">
import { Client } from "/recoverable.js";
window.start = (url, options = {}) => {
  const seen = { messages: [], recovered: [], lost: [], presence: [], states: [] };
  window.seen = seen;
  window.client = new Client(url, {
    onMessage: (data) => seen.messages.push(typeof data === "string" ? data : Array.from(data)),
    onRecovered: (group) => seen.recovered.push(group),
    onLost: (group) => seen.lost.push(group),
    onPresence: (group, presence) => seen.presence.push(presence),
    onState: (state, detail) => seen.states.push([state, detail.code ?? 0, detail.pause ?? 0]),
    ...options,
  });
};
window.ready = true;
</script>"""

urlpatterns = [
    path("", lambda request: HttpResponse(PAGE)),
    path("recoverable.js", lambda request: HttpResponse(CLIENT.read_text(), content_type="text/javascript")),
]
