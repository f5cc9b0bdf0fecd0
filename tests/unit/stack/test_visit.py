"""A visitor of a real TLS server with websockets: what counts as answered, what keeps it from being green, and probes."""

import http
import http.server
import json
import ssl
import threading
import time

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.sync.server import serve

from channels_stack_deploy.checks import probes, public, visit
from channels_stack_deploy.checks.visit import Paths, Route
from channels_stack_deploy.config import certificates
from channels_stack_deploy.config.settings import defaults


class Server:
    """Pages by their path (status, text and perhaps headers; a list: one after the other), and a websocket that says back what it
    hears."""

    def __init__(self, context):
        self.pages = {
            "/": (200, "welcome"),
            "/refused/": (403, ""),
            "/failing/": (500, ""),
            "/full/": (503, ""),
        }
        self.asked = []
        self.server = serve(
            self.talk,
            "127.0.0.1",
            0,
            ssl=context,
            process_request=self.answer,
            server_header=None,
            subprotocols=["talk.v1"],
            select_subprotocol=lambda connection, offered: "talk.v1" if "talk.v1" in offered else None,
        )
        self.port = self.server.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def answer(self, connection, request):
        self.asked.append(request.path)
        if request.headers.get("Upgrade") and request.path.startswith("/ws/"):
            return None
        page = self.pages.get(request.path, (404, "not here"))
        status, text, *headers = page.pop(0) if isinstance(page, list) else page
        given = {"Content-Length": str(len(text)), **(headers[0] if headers else {})}
        return Response(status, http.HTTPStatus(status).phrase, Headers(given), text.encode())

    def talk(self, connection):
        for text in connection:
            connection.ping()
            connection.send(json.dumps({"said": "else"}))
            # In two frames, and longer than one byte of length can say.
            connection.send(
                iter(
                    [
                        json.dumps({"heard": text, "more": "x" * 70000})[:9],
                        json.dumps({"heard": text, "more": "x" * 70000})[9:],
                    ]
                )
            )
            if text == "go":
                connection.close(4000, "gone")

    def end(self):
        self.server.shutdown()
        self.thread.join()


@pytest.fixture
def server(deployment):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates.make(deployment, defaults())
    context.load_cert_chain(deployment.authority / "local.pem")
    found = Server(context)
    yield found
    found.end()


@pytest.fixture
def there(server, deployment):
    return visit.site(defaults() | {"HTTPS_PORT": str(server.port)}, deployment, "127.0.0.1")


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Nobody starts here: what is wrong is wrong now."""
    monkeypatch.setattr(visit, "SECONDS", 0.5)
    monkeypatch.setattr(visit, "PAUSE", 0.05)
    monkeypatch.setattr(visit.steady, "__defaults__", (0.2,))


WS = (Route("/ws/"),)


@pytest.mark.parametrize("path", ["/", "/refused/", "/nothing/here/"])
def test_any_answer_of_the_application_will_do(there, path):
    assert visit.steady(there, path, WS, 0.2) == []


@pytest.mark.parametrize(("path", "status"), [("/failing/", 500), ("/full/", 503)])
def test_a_page_that_fails_will_not(there, path, status):
    assert visit.steady(there, path, WS, 0.2) == [f"page {path}: status {status}"]


@pytest.mark.parametrize(
    ("routes", "problems"),
    [
        ((), []),
        ((Route("/refused/"),), []),
        ((Route("/failing/"), Route("/ws/")), []),  # a websocket, as a page is one of many
        ((Route("/failing/"),), ["websocket /failing/: status 500"]),
        ((Route("/failing/", guessed=True),), []),  # a value of ours, which the application did not know
        ((Route("/full/", guessed=True),), ["websocket /full/: status 503"]),
    ],
)
def test_what_counts_as_an_answered_websocket(there, routes, problems):
    assert visit.steady(there, "/", routes, 0.2) == problems


def test_it_must_stay_so(there, server):
    ending = threading.Timer(0.3, lambda: server.pages.update({"/": (503, "")}))
    ending.start()
    assert visit.steady(there, "/", WS, 5) == ["page /: status 503"]
    ending.join()


def test_a_certificate_of_another_authority_is_no_answer(there, deployment, tmp_path):
    there.context = visit.visitor.trust([])
    problems = visit.steady(there, "/", WS, 0.2)
    assert len(problems) == 2 and "certificate verify failed" in problems[0]


@pytest.mark.parametrize(("source", "answered"), [("acme", True), ("local", False)])
def test_one_by_acme_from_an_authority_of_somebodys_own_is_said(there, capsys, source, answered):
    there.context = visit.visitor.trust([])
    found = visit.reached(defaults() | {"CERTIFICATE": source}, there)
    assert (visit.steady(found, "/", WS, 0.2) == []) is answered
    assert ("not verified" in capsys.readouterr().out) is answered


def test_nothing_there(there, server):
    server.end()
    begun = time.monotonic()
    problems = visit.steady(there, "/", WS, 0.2)
    assert len(problems) == 2 and "refused" in problems[0]
    assert time.monotonic() - begun < 10


def tried(there, folder, text):
    (folder / probes.NAME).parent.mkdir(exist_ok=True, parents=True)
    (folder / probes.NAME).write_text(text)
    wanted = probes.load(folder / probes.NAME, folder)
    with visit.guests(there, folder, wanted) as those:
        return [visit.tried(those, each).removeprefix(f"{each.title} ({each.place}): ") for each in wanted]


PROBES = {
    "page": ("[page a]\npath = /\ntext = come\n", ""),
    "page, status": ("[page a]\npath = /refused/\nstatus = 403\n", ""),
    "page, other status": ("[page a]\npath = /refused/\n", "/refused/ answers 403, wanted 200"),
    "page, no text": ("[page a]\npath = /\ntext = bye\n", "/ answers 200 without the text 'bye'"),
    "socket": ("[socket a]\npath = /ws/\n", ""),
    "socket, refused": (
        "[socket a]\npath = /refused/\n",
        "/refused/: the handshake was answered 403, wanted 101",
    ),
    "socket, talk": (
        '[socket a]\npath = /ws/\nsend = hello $unique\nexpect = {"heard": "hello $unique"}\n',
        "",
    ),
    "socket, silent": (
        "[socket a]\npath = /ws/\nsend = hello\nexpect = bye\nseconds = 1\n",
        "/ws/: no message with bye within 1 s; 2 other messages came",
    ),
    "socket, closed": ("[socket a]\npath = /ws/\nsend = go\nexpect = bye\n", "closed with 4000 gone"),
    "subprotocol": ("[socket a]\npath = /ws/\nsubprotocol = talk.v1\nsend = a\nexpect = heard\n", ""),
    "subprotocol, other": (
        "[socket a]\npath = /ws/\nsubprotocol = mqtt\n",
        "the subprotocol is 'none', wanted 'mqtt'",
    ),
    "job": ("[job a]\npage = /\nresult = /\ntext = welcome\n", ""),
    "job, not begun": (
        "[job a]\npage = /refused/\nresult = /\ntext = a\n",
        "/refused/ answers 403: the job was not begun",
    ),
    "job, no effect": (
        "[job a]\npage = /\nresult = /\ntext = done\nseconds = 1\n",
        "/ answers 200 without 'done' after 1 s: the job had no effect",
    ),
    "job on a socket": (
        "[job a]\nsocket = /ws/\nsend = go $unique\nexpect = go $unique\nresult = /\ntext = welcome\n",
        "",
    ),
}


@pytest.mark.parametrize(("text", "problem"), PROBES.values(), ids=PROBES)
def test_a_probe(there, deployment, text, problem):
    (found,) = tried(there, deployment.folder, text)
    assert problem in found and bool(problem) is bool(found), found


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", Paths()),
        ("no JSON", Paths()),
        ('{"known": false, "websockets": [], "static": "/static/a.css"}', Paths(static="/static/a.css")),
        ('{"known": true, "websockets": [], "static": null}', Paths(())),
        (
            '{"known": true, "websockets": [{"path": "/ws/", "guessed": false}], "static": null}',
            Paths((Route("/ws/"),)),
        ),
    ],
)
def test_what_the_application_says_of_its_paths(said, expected):
    assert Paths.read(said) == expected


@pytest.mark.parametrize(("kind", "problems"), [("page", 0), ("job", 1)])
def test_a_probe_that_fails_is_tried_once_more_but_no_job(there, server, deployment, kind, problems):
    server.pages["/once/"] = [(503, ""), (200, "here")]
    text = {
        "page": "[page a]\npath = /once/\n",
        "job": "[job a]\npage = /once/\nresult = /\ntext = welcome\n",
    }[kind]
    deployment.folder.mkdir(exist_ok=True, parents=True)
    (deployment.folder / probes.NAME).write_text(text)
    wanted = probes.load(deployment.folder / probes.NAME, deployment.folder)
    assert len(visit.everything([there], "/", Paths(()), deployment.folder, wanted)) == problems


# --- What every visitor must get ------------------------------------------------------------------

HEADERS = {
    "X-Request-ID": "a-b",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self)",
    "Strict-Transport-Security": "max-age=31536000",
    "Content-Security-Policy": "upgrade-insecure-requests",
}


@pytest.mark.parametrize(
    ("headers", "settings", "words"),
    [
        (HEADERS, {}, []),
        (HEADERS | {"Server": "nginx"}, {}, ["Server is 'nginx', wanted none"]),
        (HEADERS | {"X-Frame-Options": "ALLOWALL"}, {}, ["X-Frame-Options is 'ALLOWALL', wanted …DENY…"]),
        (HEADERS | {"Strict-Transport-Security": ""}, {"EDGE_HSTS_SECONDS": "0"}, []),
        (HEADERS | {"Content-Security-Policy": ""}, {"EDGE_UPGRADE_INSECURE": "false"}, []),
        ({}, {}, [f"{name} is 'missing'" for name in HEADERS]),
    ],
)
def test_headers(there, server, headers, settings, words):
    server.pages[public.HEALTH] = (200, "edge", headers)
    problem = public.headers(there, defaults() | settings)
    assert all(word in problem for word in words) and bool(words) is bool(problem), problem


def test_a_static_file(there, server):
    server.pages["/static/a.css"] = (200, "a {}")
    assert public.static(there, "/static/a.css") == public.static(there, "") == ""
    assert "/static/b.css: status 404, 8 bytes; wanted 200" in public.static(there, "/static/b.css")


@pytest.mark.parametrize(
    ("path", "fine"), [("/ws/", True), ("/refused/", True), ("/failing/", True), ("/full/", False)]
)
def test_a_websocket_of_the_routing(there, path, fine):
    assert (public.websocket(there, path) == "") is fine


def test_a_name_that_is_not_ours(there, server):
    server.pages["/"] = (421, "")
    assert public.unknown_name(there) == ""
    server.pages["/"] = (200, "a page")
    assert "200 for unknown.invalid, wanted 421" in public.unknown_name(there)


def test_a_certificate(there, monkeypatch):
    assert public.certificate(there, "localhost") == ""
    assert "not valid for other.example" in public.certificate(there, "other.example")
    with there.connect() as connection:
        end = ssl.cert_time_to_seconds(connection.getpeercert()["notAfter"])
    monkeypatch.setattr(public, "time", lambda: end - 86400)
    assert "the certificate ends in 1.0 days" in public.certificate(there, "localhost")


@pytest.fixture
def plain():
    """A function (status, headers) -> the port of a server of plain HTTP that answers so."""
    servers = []

    def serving(status, headers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *words):
                """Nothing."""

        servers.append(http.server.HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever).start()
        return servers[-1].server_port

    yield serving
    for each in servers:
        each.shutdown()
        each.server_close()


def test_the_way_from_plain_http(there, plain):
    right = there.url + "/there/is/nothing/?by=http"
    assert public.redirect(there, plain(308, {"Location": right})) == ""
    for status, where in ((200, ""), (302, right), (308, "https://elsewhere/")):
        assert f"answers {status} {where}".rstrip() in public.redirect(
            there, plain(status, {"Location": where})
        )
    assert "no answer by plain HTTP on port 1" in public.redirect(there, 1)
