"""People who sign in to the project `desk`, and what they see there."""

from __future__ import annotations

import contextlib
import html
import re
import uuid
from http.cookies import SimpleCookie
from urllib.parse import quote, urlencode

from processes import until
from serving import Answer, Serving

CONSOLE = "/ops/console/"


class Visitor:
    """Somebody's cookies, and what they do with them."""

    def __init__(self, serving: Serving, name: str = "", *may: str, staff: bool = True) -> None:
        self.serving = serving
        self.cookies: SimpleCookie = SimpleCookie()
        # The tests share a database.
        self.name = f"{name}-{uuid.uuid4().hex[:8]}" if name else ""
        if name:
            query = "&".join([*(["staff"] if staff else []), *(f"may={each}" for each in may)])
            assert self.get(f"/sign-in/{quote(self.name)}/?{query}").status == 200

    def headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())}

    def get(self, path: str) -> Answer:
        return self._took(self.serving.get(path, self.headers()))

    def text(self, path: str) -> str:
        """What a page says, without its tags."""
        answer = self.get(path)
        assert answer.status == 200, answer.body
        return words(answer.body.decode())

    def post(self, path: str, token: bool = True, **fields: str) -> Answer:
        """Fill in the form of a page and send it; without ``token`` as another site would."""
        if token:
            hidden = re.findall(
                r'<input type="hidden" name="(\w+)" value="([^"]*)">', self.get(path).body.decode()
            )
            fields = {**{name: html.unescape(value) for name, value in hidden}, **fields}
            assert "csrfmiddlewaretoken" in fields
        serving = self.serving.pages or self.serving
        connection = serving.connection()
        with contextlib.closing(connection):
            headers = {**self.headers(), "Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", path, urlencode(fields), headers)
            return self._took(Answer(connection.getresponse()))

    def socket(self, path: str = CONSOLE, headers=None, **options):
        options.setdefault("origin", f"http://127.0.0.1:{self.serving.port}")
        return self.serving.socket(path, additional_headers=self.headers() | (headers or {}), **options)

    def refusal(self, path: str = CONSOLE, headers=None, **options) -> int:
        options.setdefault("origin", f"http://127.0.0.1:{self.serving.port}")
        headers = self.headers() | (headers or {})
        return self.serving.refusal(path, additional_headers=headers, **options).status_code

    def _took(self, answer: Answer) -> Answer:
        for line in answer.headers.get_all("Set-Cookie", []):
            self.cookies.load(line)
        return answer


def words(page: str) -> str:
    """The text of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def sees(socket, *parts: str) -> str:
    """What a live page shows, as soon as each of ``parts`` is in it."""
    seen = [""]

    def look() -> str:
        with contextlib.suppress(TimeoutError):
            seen[0] = words(socket.recv(timeout=1))
        return seen[0] if all(part in seen[0] for part in parts) else ""

    return until(look, what=f"the page shows {parts}")
