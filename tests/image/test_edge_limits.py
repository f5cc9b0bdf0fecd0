"""images/edge: what one address may do, and that nobody is locked out by having been refused."""

from __future__ import annotations

import json
import ssl
import time

import pytest

from .conftest import Container, wait_for
from .edges import Edge, Site, head

OFFICE = 500
BACK_SECONDS = 60


def handshake(edge: Edge) -> tuple[int, str | None]:
    """The status of a handshake, and when to come again."""
    with edge.upgrade() as link:
        answer = head(link)
        return answer.status, answer.header("retry-after")


@pytest.mark.alone
def test_an_office_that_comes_back_at_once_is_back_within_a_minute(
    site: Site, backends: dict[str, Container]
):
    """One address, everybody at the same moment, each again a second after a refusal; with the defaults."""
    edge = site.edge(limited=True)
    begin = time.monotonic()
    with site.crowd(edge, "office", 1, OFFICE) as office:
        wait_for(lambda: office.counts["101"] == OFFICE, "all are back", BACK_SECONDS)
        counts = office.counts
    print(f"{time.monotonic() - begin:.0f} s, {dict(counts)}")
    assert counts["429"], "they were never refused: this shows nothing"


def test_a_refusal_does_not_count(site: Site, backends: dict[str, Container]):
    """Who knocks on without a pause gets in at the rate that is allowed, pages and handshakes alike."""
    limits = {"EDGE_REQUESTS_PER_10S": "20", "EDGE_HANDSHAKES_PER_10S": "10"}
    edge = site.edge(
        EDGE_NEW_CONNECTIONS_PER_10S="0", **limits
    )  # each of this test's requests is a connection of its own
    statuses: dict[str, list[int]] = {"page": [], "socket": []}
    end = time.monotonic() + 16
    while time.monotonic() < end:
        statuses["page"].append(edge.get("/echo").status)
        statuses["socket"].append(handshake(edge)[0])
    late = {kind: found[len(found) // 2 :] for kind, found in statuses.items()}
    assert 429 in late["page"] and late["page"].count(200) >= 10, late["page"].count(200)
    assert 429 in late["socket"] and late["socket"].count(101) >= 4, late["socket"].count(101)


def test_what_the_limits_admit_is_no_flood(site: Site, backends: dict[str, Container]):
    """Whose limits were raised gets what they say, pages that are not found as well; what is refused beyond is a flood."""
    edge = site.edge(EDGE_REQUESTS_PER_10S="200", EDGE_HANDSHAKES_PER_10S="1", EDGE_FLOOD_PER_10S="8")
    assert {edge.get("/echo").status for _ in range(60)} == {200}
    assert {edge.get("/status/404").status for _ in range(30)} == {404}
    assert json.loads(edge.container.run("edge", "status").stdout)["floods"] == []

    def ask_for_what_is_refused():
        for _ in range(300):
            edge.get("/-/metrics")

    with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
        ask_for_what_is_refused()
    assert json.loads(edge.container.run("edge", "status").stdout)["floods"]


def test_retry_after_is_true(site: Site, backends: dict[str, Container]):
    edge = site.edge(EDGE_HANDSHAKES_PER_10S="5")
    wait_for(lambda: handshake(edge)[0] == 429, "it has had enough")
    status, seconds = handshake(edge)
    assert status == 429 and seconds
    time.sleep(int(seconds))  # what a client does that believes it
    assert handshake(edge)[0] == 101


def test_pages_and_sockets_have_budgets_of_their_own(site: Site, backends: dict[str, Container]):
    edge = site.edge(EDGE_REQUESTS_PER_10S="20", EDGE_HANDSHAKES_PER_10S="5")
    wait_for(lambda: handshake(edge)[0] == 429, "enough sockets")
    assert edge.get("/echo").status == 200
    wait_for(lambda: edge.get("/echo").status == 429, "enough pages")


def test_what_the_cache_answers_costs_nothing(site: Site, backends: dict[str, Container]):
    edge = site.edge(EDGE_REQUESTS_PER_10S="20")
    assert edge.get("/static/app.01234567.js").status == 200
    assert {edge.get("/static/app.01234567.js").status for _ in range(50)} == {200}
    assert edge.get("/echo").status == 200
    wait_for(lambda: edge.get("/echo").status == 429, "enough pages")
    assert edge.get("/static/app.01234567.js").header("x-cache") == "hit"
    assert edge.get("/static/other.01234567.js").status == 429, "what reaches the application is counted"


def test_a_query_makes_no_other_file(site: Site, backends: dict[str, Container]):
    edge = site.edge()
    assert edge.get("/static/app.01234567.js").header("x-cache") == "miss"
    assert {edge.get(f"/static/app.01234567.js?{number}").header("x-cache") for number in range(20)} == {
        "hit"
    }


def test_few_addresses_cannot_fill_the_edge(site: Site, backends: dict[str, Container]):
    """Five of them, with ten times as many connections as there are; nothing of theirs is over a limit of one address."""
    edge = site.edge(limited=True, EDGE_MAXCONN="200")
    with site.crowd(edge, "silent", 5, 400) as strangers:
        wait_for(lambda: strangers.counts["tried"] >= 2000, "all have tried")
        assert [edge.get("/echo").status for _ in range(20)] == [200] * 20
        assert json.loads(edge.container.run("edge", "status").stdout)["connections"] < 150


def test_visitors_who_all_seem_to_be_one_are_noticed(site: Site, backends: dict[str, Container]):
    """As behind a proxy that nobody has named: said once, with the way out, and shown as long as it is so."""
    edge = site.edge(EDGE_REQUESTS_PER_10S="0")

    def crowd() -> dict | None:
        for _ in range(20):
            edge.get("/echo")
        return json.loads(edge.container.run("edge", "status").stdout)["crowd"]

    found = wait_for(crowd, "the crowd is seen")
    assert found["requests"] == found["of"] >= 100
    said = f"requests in 10 s come from {found['address']}: "
    wait_for(lambda: (crowd(), said in edge.container.logs())[1], "the edge says so")
    wait_for(lambda: not json.loads(edge.container.run("edge", "status").stdout)["crowd"], "it is over")
    assert edge.container.says("EDGE_TRUSTED_HOPS").count(said) == 1


def test_new_connections_have_a_rate(site: Site, backends: dict[str, Container]):
    edge = site.edge(wait=False, EDGE_NEW_CONNECTIONS_PER_10S="20")

    def connects() -> bool:
        try:
            edge.connect().close()
        except OSError:
            return False
        return True

    assert [connects() for _ in range(15)] == [True] * 15
    wait_for(lambda: not connects(), "that is enough")
    wait_for(connects, "and some time later it may again")


def test_memory_decides_how_many_come_in(site: Site):
    """EDGE_MAXCONN is lowered to what fits; where nothing would, the edge does not start."""
    command = ["edge", "check"]
    started = site.yard.start(
        site.edge_image,
        *command,
        flags=["--memory=48m", f"--volume={site.certificate}:/etc/edge:ro", "--tmpfs=/tmp"],
    )
    assert started.ended() == 78
    assert "48 MiB of memory carry 0 connections and 16 MiB of cache: give it " in started.logs()


def test_a_connection_that_ends_costs_no_request(site: Site, backends: dict[str, Container]):
    """HTTP/2, more requests than one connection may bring: the edge says so in time, and the client opens another one."""
    edge = site.edge()
    asked = [
        "--http2",
        "--insecure",
        "--silent",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_version} %{http_code} %{num_connects}\n",
    ]
    url = "https://localhost:8443/static/app.01234567.js?[1-5500]"
    answers = edge.container.run("curl", *asked, url).stdout.splitlines()
    assert len(answers) == 5500
    assert {answer.rpartition(" ")[0] for answer in answers} == {"2 200"}
    assert sum(int(answer.rpartition(" ")[2]) for answer in answers) > 1, "one connection brought them all"
