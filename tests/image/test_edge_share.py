"""images/edge while a release is on trial with a share of the visitors: who reaches it, and that it costs nobody anything."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from .conftest import Container, docker, wait_for
from .edges import KEY, UPGRADE, VERSION, Answer, Edge, Site, head, make_certificate
from .visiting import Load

SHARE = 30
COOKIE = re.compile(r"__Host-share=(\d{1,2}); Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax", re.ASCII)
CHUNKED = (
    "POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {}\r\n"
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
)
IN, OUT = "__Host-share=0", f"__Host-share={SHARE}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/etc/edge of this module's edge."""
    folder = tmp_path_factory.mktemp("share")
    folder.chmod(0o755)
    make_certificate(folder)
    return folder


@pytest.fixture(scope="module")
def first(site: Site) -> dict[str, Container]:
    """The first tasks of a new release."""
    return {service: site.backend(f"first-{service}", f"first-{service}") for service in ("http", "ws")}


@pytest.fixture(scope="module")
def edge(site: Site, folder: Path, backends, first) -> Edge:
    edge = site.edge(folder)
    share(edge, folder, SHARE)
    return edge


@pytest.fixture(autouse=True)
def ready(site: Site, edge: Edge, backends: dict[str, Container], first: dict[str, Container]) -> None:
    """Before each test all are in."""
    for container in (*backends.values(), *first.values()):
        site.control(container, "/control/ready?200", "POST")
    wait_for(lambda: page(edge, IN) == socket(edge, IN) == "first", "the first tasks serve")
    wait_for(lambda: page(edge, OUT) == socket(edge, OUT) == "old", "the others serve")


def share(edge: Edge, folder: Path, percent: int) -> None:
    """What the tools do: the file, and a reload."""
    file = folder / "share"
    if percent:
        file.write_text(f"{percent}\n")
    else:
        file.unlink()
    edge.container.run("edge", "reload")
    assert status(edge)["share"] == percent


def status(edge: Edge) -> dict:
    return json.loads(edge.container.run("edge", "status").stdout)


def side(name: str | None) -> str:
    """Which release a server belongs to."""
    return {"first": "first", "http": "old", "ws": "old"}.get((name or "").split("-")[0], f"none: {name}")


def page(edge: Edge, cookie: str, *headers: str, method: str = "GET") -> str:
    """Who answers a page, or the status of an answer that is the edge's."""
    answer = edge.get("/echo", f"Cookie: {cookie}", *headers, method=method)
    return side(answer.echo["name"]) if answer.status == 200 else str(answer.status)


def socket(edge: Edge, cookie: str) -> str:
    """Who takes a websocket, or the status of a refusal."""
    with edge.upgrade(headers=f"Cookie: {cookie}\r\n".encode() + UPGRADE + KEY + VERSION) as link:
        answer = head(link)
        return side(answer.header("x-name")) if answer.status == 101 else str(answer.status)


def drawn(answer: Answer) -> str:
    """The one cookie of ANSWER, as the next request has it."""
    (text,) = answer.all("set-cookie")
    match = COOKIE.fullmatch(text)
    assert match, text
    return f"__Host-share={match[1]}"


def test_a_share_of_the_visitors_reaches_it_and_always_the_same(edge):
    sides: Counter[str] = Counter()
    for _ in range(200):
        answer = edge.get("/echo")
        cookie, there = drawn(answer), side(answer.echo["name"])
        again = {page(edge, f"a=b; {cookie}; c=d"), page(edge, cookie, method="POST"), socket(edge, cookie)}
        assert again == {there}, cookie
        sides[there] += 1
    print(f"figure: {sides['first']} of 200 visitors on the new release, of {SHARE} %", flush=True)
    # Four standard deviations: more than that comes once in 15,000 runs.
    assert abs(sides["first"] - 200 * SHARE / 100) < 26, sides
    assert sides["first"] + sides["old"] == 200, sides


def test_the_number_decides(edge):
    for number in (0, 1, SHARE - 1, SHARE, SHARE + 1, 99):
        cookie, expected = f"__Host-share={number}", "first" if number < SHARE else "old"
        assert page(edge, cookie) == socket(edge, cookie) == expected, cookie
        assert side(edge.raw(CHUNKED.format(cookie).encode()).echo["name"]) == expected, cookie
        assert not edge.get("/echo", f"Cookie: {cookie}").all("set-cookie"), cookie


@pytest.mark.parametrize("value", ["100", "-1", "x", "", "5x", '"5"'])
def test_what_is_no_number_is_drawn_again(edge, value):
    drawn(edge.get("/echo", f"Cookie: __Host-share={value}"))


def test_a_cookie_of_the_application_is_kept(edge):
    cookies = edge.get("/reply?Set-Cookie=sessionid%3Dx").all("set-cookie")
    assert len(cookies) == 2
    assert "sessionid=x" in cookies


def test_what_keeps_no_cookie_stays_with_the_old_release(edge):
    """Handshakes, what a page loads from another site, forms: none of them draws a number."""
    for _ in range(30):
        for answer in (
            edge.get("/echo", "Sec-Fetch-Dest: empty"),
            edge.get("/echo", method="POST", body=b"x"),
        ):
            assert side(answer.echo["name"]) == "old"
            assert not answer.all("set-cookie")
        assert socket(edge, "a=b") == "old"
    assert drawn(edge.get("/echo", "Sec-Fetch-Dest: document"))


@pytest.mark.parametrize("path", ["/static/app.01234567.js", "/static/app.js"])
def test_no_number_goes_with_static_files(edge, path):
    for _ in range(2):
        assert not edge.get(path).all("set-cookie")


@pytest.mark.parametrize("value", ["public", "Public, max-age=60", "s-maxage=9", "max-age=300", ""])
def test_no_cache_in_front_keeps_what_depends_on_the_number(edge, value):
    answer = edge.get(f"/reply?Cache-Control={quote(value)}" if value else "/echo")
    assert answer.all("cache-control") == ["private, no-cache"]
    assert drawn(answer)


@pytest.mark.parametrize("value", ["private, max-age=60", "no-store"])
def test_what_no_cache_in_front_keeps_stays_as_it_is(edge, value):
    assert edge.get(f"/reply?Cache-Control={quote(value)}").all("cache-control") == [value]


def load(edge: Edge, cookie: str) -> Load:
    """Pages and sockets of visitors with COOKIE; the answer is who served them."""
    return Load(*(lambda visit=visit: visit(edge, cookie) for visit in (page, page, socket)))


def assert_all_served(seen: Counter) -> None:
    print(f"figure: {dict(seen)}", flush=True)
    assert seen.keys() <= {"first", "old"}, seen


def test_a_first_task_that_drains_gets_nothing_new(site: Site, edge: Edge, first):
    with load(edge, IN) as visits:
        visits.until("first")
        for container in first.values():
            site.control(container, "/control/ready?404", "POST")
        wait_for(lambda: page(edge, IN) == socket(edge, IN) == "old", "the old release serves")
        visits.until("old")
    assert_all_served(visits.seen)
    assert {page(edge, IN) for _ in range(20)} | {socket(edge, IN) for _ in range(20)} == {"old"}


@pytest.fixture
def killed(first: dict[str, Container]) -> Iterator[list[str]]:
    """The names of the first tasks, which run again after the test."""
    names = [container.name for container in first.values()]
    yield names
    docker("start", *names)
    for container in first.values():
        container.ports.clear()


def test_where_the_first_task_dies_the_old_release_serves(edge: Edge, killed):
    with load(edge, IN) as visits:
        visits.until("first")
        docker("kill", *killed)
        visits.until("old", 100)
    assert_all_served(visits.seen)


def test_where_the_old_release_is_not_ready_the_first_task_serves(site: Site, edge: Edge, backends):
    with load(edge, OUT) as visits:
        visits.until("old")
        for container in backends.values():
            site.control(container, "/control/ready?503", "POST")
        wait_for(lambda: page(edge, OUT) == socket(edge, OUT) == "first", "the first tasks serve all")
        visits.until("first")
    # A handshake may come before the first task is known as the backup.
    assert_all_served(visits.seen)


def test_the_end_of_the_trial_costs_nobody_anything(edge: Edge, folder: Path):
    with load(edge, IN) as visits:
        visits.until("first")
        share(edge, folder, 0)
        visits.until("old")
        share(edge, folder, SHARE)
        visits.until("first")
    assert_all_served(visits.seen)


def test_without_a_share_there_is_no_cookie_and_no_first_task(site: Site, edge: Edge, certificate):
    usual = site.edge()
    answers = [usual.get("/echo", f"Cookie: {IN}") for _ in range(10)] + [usual.get("/echo")]
    assert {side(answer.echo["name"]) for answer in answers} == {"old"}
    assert not [answer for answer in answers if answer.all("set-cookie")]
    assert socket(usual, IN) == "old"
    assert status(usual)["share"] == 0
    assert not {"first-http", "first-ws"} & status(usual)["replicas"].keys()


@pytest.mark.parametrize("text", ["0", "100", "ten", ""])
def test_a_share_that_is_none_is_refused(edge: Edge, folder: Path, text):
    (folder / "share").write_text(text)
    try:
        done = edge.container.run("edge", "reload", check=False)
        assert done.returncode == 78
        assert "/etc/edge/share holds" in done.stderr and "from 1 to 99" in done.stderr, done.stderr
        assert status(edge)["share"] == SHARE
    finally:
        (folder / "share").write_text(f"{SHARE}\n")
        edge.container.run("edge", "reload")
