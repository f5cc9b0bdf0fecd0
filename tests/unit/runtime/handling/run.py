"""Answers every request with one HTTP_HANDLER and prints what came and what happened: run.py '{"handler": …}'."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
from collections import Counter
from http.cookies import SimpleCookie

import django
from django.conf import settings

SEVEN = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
OWN = [f"handling.middlewares.{name}" for name in ("plain", "both", "Hooks")]
MIDDLEWARES = {
    "none": [],
    "seven": SEVEN,
    "own": [*SEVEN, *OWN],
    "own first": [*OWN, *SEVEN],
    "async": [*SEVEN[:3], "handling.middlewares.OnlyAsync", *SEVEN[3:], *OWN],
}
CONCURRENCY, CROWD = 2, 12


def configure(options: dict) -> None:
    settings.configure(
        SECRET_KEY="only for tests " * 4,
        ALLOWED_HOSTS=["localhost"],
        INSTALLED_APPS=[
            f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions", "messages")
        ],
        MIDDLEWARE=MIDDLEWARES[options["middlewares"]],
        ROOT_URLCONF="handling.pages",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": options["database"],
                "CONN_MAX_AGE": options["age"],
                "ATOMIC_REQUESTS": options["atomic"],
                "OPTIONS": {"timeout": 60},
            }
        },
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [("django.template.loaders.locmem.Loader", {"page.html": "by {{ by }}"})]
                },
            }
        ],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
        LOGGING_CONFIG=None,
        **options["settings"],
    )
    django.setup()


def requests(client: Client) -> list[tuple]:
    """(method, path with query, headers, body), in the order in which they are made."""
    get = [
        *("page", "async-page", "async-user", "query", "async-query", "keep", "kept", "async-keep", "kept"),
        *(
            "zero",
            "nothing",
            "forgotten",
            "template",
            "stream",
            "async-stream",
            "stream-of-async",
            "file",
            "framed",
        ),
        *("absent", "answered", "only-there"),
    ]
    plain = [("GET", f"/{name}/", {}, b"") for name in get]
    fails = [
        ("GET", f"/{name}/?how={how}", {}, b"")
        for name in ("fail", "async-fail")
        for how in ("value", "404", "403", "400")
    ]
    encoded = {"content-type": "application/x-www-form-urlencoded"}
    posts = [
        ("POST", f"/{name}/", {**encoded, **token}, b"name=me")
        for name in ("form", "async-form")
        for token in ({}, {"x-csrftoken": client})
    ]
    return [
        *plain,
        *fails,
        ("GET", "/write-and-fail/?key=first", {}, b""),
        ("GET", "/query/", {}, b""),
        ("GET", "/form/", {}, b""),
        *posts,
        ("POST", "/page", encoded, b"name=me"),
        ("HEAD", "/page/", {}, b""),
        ("GET", "/page", {}, b""),
        ("GET", "/page/", {"host": "elsewhere"}, b""),
        ("GET", "/page/", {"x-site": "other"}, b""),
        ("GET", "/only-there/", {"x-site": "other"}, b""),
        (
            "POST",
            "/form/",
            {"content-type": "application/json", "content-length": "99999999"},
            b"x" * 3_000_000,
        ),
    ]


class Client:
    """Makes requests of an ASGI application, and keeps cookies."""

    def __init__(self, app) -> None:
        self.app, self.cookies = app, SimpleCookie()

    async def request(self, method, path, headers=(), body=b"", leaves: asyncio.Event | None = None) -> dict:
        """What comes; with LEAVES, the client is gone once that is set."""
        from handling import journal

        cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items() if morsel.value)
        headers = {"host": "localhost", "cookie": cookies, **dict(headers)}
        if "x-csrftoken" in headers:
            headers["x-csrftoken"] = self.cookies["csrftoken"].value if "csrftoken" in self.cookies else ""
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 1),
        }
        pieces = [{"type": "http.request", "body": body}]
        sent: list[dict] = []
        over = leaves or asyncio.Event()

        async def receive() -> dict:
            if pieces:
                return pieces.pop()
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict) -> None:
            sent.append(message)

        lines: list[str] = []
        token = journal.lines.set(lines)
        failure = ""
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            failure = repr(error)
        finally:
            journal.lines.reset(token)
        head = sent[0] if sent else {"status": 0, "headers": []}
        for name, value in head["headers"]:
            if name.lower() == b"set-cookie":
                self.cookies.load(value.decode())
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return {
            "status": head["status"],
            "headers": sorted(
                f"{name.decode().lower()}: {masked(value.decode())}" for name, value in head["headers"]
            ),
            "body": content.decode() if len(content) < 500 else f"{len(content)} bytes",
            "happened": lines,
            "failure": failure,
        }


def masked(value: str) -> str:
    """A header's value without what differs each time."""
    value = re.sub(r"^(csrftoken|sessionid|messages)=[^;]+", r"\1=…", value)
    return re.sub(r"expires=[^;]+", "expires=…", value)


def watch() -> dict:
    """Note signals in the journal of the request, and which threads open connections."""
    from django.core import signals
    from django.db import connections
    from django.db.backends.signals import connection_created

    from handling.journal import note

    seen = {"opened": Counter(), "left open": Counter()}

    def started(**_):
        note("request_started")

    def finished(**_):
        note("request_finished")
        left = connections["default"].connection is not None
        seen["left open"][str(left)] += 1

    def failed(sender, **_):
        note("got_request_exception")

    def opened(**_):
        seen["opened"][threading.get_ident()] += 1

    watch.receivers = (started, finished, failed, opened)
    signals.request_started.connect(started)
    signals.request_finished.connect(finished)  # after Django's own, which closes connections
    signals.got_request_exception.connect(failed)
    connection_created.connect(opened)
    return seen


async def leave(client: Client, path: str) -> dict:
    """What happens to a view whose client leaves while it runs."""
    from handling import pages

    pages.begun.clear()
    pages.go_on.clear()
    leaves = asyncio.Event()
    request = asyncio.ensure_future(client.request("GET", path, leaves=leaves))
    while not pages.begun.is_set() and not request.done():  # with ATOMIC_REQUESTS there is no async view
        await asyncio.sleep(0.01)
    leaves.set()
    # Its thread is nobody else's as long as the view runs.
    others = [await client.request("GET", "/page/") for _ in range(3)]
    pages.go_on.set()
    answer = await request
    del answer["headers"]
    return {**answer, "others": [other["status"] for other in others]}


async def main(options: dict) -> None:
    from django.core.asgi import get_asgi_application

    from channels_stack.middleware.slots import Slots

    app = Slots(CONCURRENCY).for_pages(get_asgi_application())
    seen = watch()
    client = Client(app)
    answers = [
        [f"{method} {path}", await client.request(method, path, headers, body)]
        for method, path, headers, body in requests(client)
    ]
    for path in ("/waits/", "/async-waits/"):
        answers.append([f"leaves {path}", await leave(client, path)])
    seen["left open"].clear()
    crowd = await asyncio.gather(*(client.request("GET", "/query/") for _ in range(CROWD)))
    print(
        json.dumps(
            {
                "answers": answers,
                "crowd": Counter(f"{answer['status']} {answer['body']}" for answer in crowd),
                "left open": seen["left open"],
                "threads": len(seen["opened"]),
                "opened": sum(seen["opened"].values()),
            }
        )
    )


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    configure(options)
    from django.core.management import call_command

    from channels_stack.patches import django_handler, django_streaming

    call_command("migrate", verbosity=0, interactive=False)
    from django.db import connections

    connections.close_all()
    django_streaming.apply()
    django_handler.apply(options["handler"])
    asyncio.run(main(options))
