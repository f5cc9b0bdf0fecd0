"""images/edge: reload, drain and stop, with visitors there all the time."""

from __future__ import annotations

import json
import ssl
import threading
import time
from pathlib import Path

import pytest

from .conftest import docker, wait_for
from .edges import Edge, Site, frame, head, make_certificate, read_frame
from .visiting import Visitors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for /etc/edge that the test may change."""
    tmp_path.chmod(0o755)
    make_certificate(tmp_path)
    configure(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def shared(site: Site, backends, tmp_path_factory: pytest.TempPathFactory) -> tuple[Edge, Path]:
    """An edge and its folder for tests that change nothing in the end."""
    folder = tmp_path_factory.mktemp("shared")
    folder.chmod(0o755)
    make_certificate(folder)
    configure(folder)
    return site.edge(folder), folder


def configure(folder: Path, domains: str = "localhost", **settings: str) -> None:
    """Write settings.env as the tools do: a whole new file in the place of the old one."""
    lines = {"DOMAINS": domains, **settings}
    new = folder / "settings.env.new"
    new.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    new.replace(folder / "settings.env")


def tell(edge: Edge, *words: str, check: bool = True):
    """Run the program `edge` inside."""
    return edge.container.run("edge", *words, check=check)


def status(edge: Edge) -> dict:
    """What `edge status` says."""
    return json.loads(tell(edge, "status").stdout)


def test_the_status_names_the_replicas_that_get_requests(shared, backends):
    edge, _ = shared
    addresses = {
        service: {
            next(iter(backends[f"{service}-{each}"].inspect()["NetworkSettings"]["Networks"].values()))[
                "IPAddress"
            ]
            for each in "ab"
        }
        for service in ("http", "ws")
    }
    wait_for(
        lambda: (
            {name: set(those) for name, those in status(edge)["replicas"].items() if name in addresses}
            == addresses
        ),
        "all four are found",
    )


def served_certificate(edge: Edge) -> str:
    """The certificate that a new connection gets."""
    return ssl.get_server_certificate(("127.0.0.1", edge.https))


def cut(link: ssl.SSLSocket) -> bool:
    """Wait for the end of a connection."""
    try:
        return link.recv(1) == b""
    except ConnectionError:
        return True


# --- Reload ---------------------------------------------------------------------------------------


def test_a_reload_costs_no_visitor_anything(site: Site, backends, folder):
    """50 open sockets and GETs without pause through three reloads: new certificate, new name, other limits."""
    edge = site.edge(folder, DOMAINS="not-used")
    links = [edge.upgrade() for _ in range(50)]
    assert {head(link).status for link in links} == {101}
    with Visitors(edge) as visitors:
        visitors.more()
        before = served_certificate(edge)
        make_certificate(folder, "renewed.test")
        assert tell(edge, "reload").stdout == "reloaded\n"
        assert served_certificate(edge) != before, "a new connection has the new certificate at once"
        visitors.more()
        configure(folder, "localhost added.test")
        assert edge.get("/echo", host="added.test").status == 421
        assert tell(edge, "reload").stdout == "reloaded\n"
        assert edge.get("/echo", host="added.test").status == 200
        visitors.more()
        configure(folder, "localhost", EDGE_MAX_URI_BYTES="100")
        assert tell(edge, "reload").stdout == "reloaded\n"
        assert edge.get("/" + "a" * 200).status == 414
        visitors.more()
    assert visitors.failures == []
    for number, link in enumerate(links):
        link.sendall(frame(b"%d" % number))
        assert read_frame(link) == b"%d" % number
    now = status(edge)
    assert now["former_workers"] == 1, "those that have nothing open are gone"
    assert now["certificate"]["names"] == ["renewed.test", "localhost"]
    assert now["certificate"]["days"] == 1
    for link in links:
        link.close()
    wait_for(lambda: status(edge)["former_workers"] == 0, "the former worker ends with its last socket")


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "stock"])
def test_a_reload_needs_no_name_service(site: Site, backends, folder, edge_image, ours):
    """The new worker knows the replicas from the old one. HAProxy's own reload asks for them first: 503 until it is told."""
    dead = "127.0.0.1:9"
    if ours:
        edge = site.edge(folder)
        configure(folder, EDGE_RESOLVER=dead)
    else:
        flags = [f"--volume={folder}:/etc/edge:ro", "--publish=127.0.0.1::8443", "--publish=127.0.0.1::8080"]
        flags += ["--tmpfs=/tmp", "--env=HTTPS_PORT=8443"]
        (folder / "stock.cfg").write_text("global\n")
        command = ["haproxy", "-W", "-db", "-f", "/etc/edge/stock.cfg", "-f", "/etc/haproxy/haproxy.cfg"]
        container = site.yard.start(edge_image, *command, flags=flags)
        wait_for(lambda: container.health() == "healthy", "healthy edge")
        edge = Edge(container, container.port(8443), container.port(8080))
        wait_for(lambda: edge.get("/echo").status == 200, "the edge found the backends")
        (folder / "stock.cfg").write_text(f"global\n    setenv EDGE_RESOLVER {dead}\n")
    docker("kill", "--signal=USR2", edge.container.name)
    wait_for(lambda: edge.container.logs().count("Loading success") == 2, "a new worker")
    edge.container.says("Proxy public stopped")  # the old one takes nothing new
    assert {edge.get("/echo").status for _ in range(10)} == ({200} if ours else {503})


def test_replicas_come_and_go_after_a_reload_as_before(site: Site, backends, folder):
    """What the new worker was told of the replicas is a beginning, not the truth for ever."""
    edge = site.edge(folder)
    configure(folder, "localhost added.test")
    tell(edge, "reload")
    extra = site.backend("http", "http-extra")
    wait_for(lambda: edge.get("/echo").echo["name"] == "http-extra", "a new replica is found")
    docker("rm", "--force", extra.name)
    site.yard.containers.remove(extra)

    def gone() -> bool:
        names = {edge.get("/echo").echo["name"] for _ in range(6)}
        return names == {"http-a", "http-b"}

    wait_for(gone, "a removed replica is forgotten")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"EDGE_MAXCONN": "20k"}, ["EDGE_MAXCONN is '20k'", "integer"]),
        ({"EDGE_CLIENT_TIMEOUT": "5x"}, ["EDGE_CLIENT_TIMEOUT is '5x'"]),
        ({"EDGE_UPGRADE_INSECURE": "ture"}, ["EDGE_UPGRADE_INSECURE", "ture"]),
        ({"EDGE_STOP_TIMEOUT": "50s"}, ["EDGE_STOP_TIMEOUT", "33 s"]),
        ({"domains": ""}, ["DOMAINS is empty"]),
    ],
)
def test_bad_settings_leave_the_former_ones_in_force(shared: tuple[Edge, Path], settings, words):
    edge, folder = shared
    configure(folder, **settings)
    done = tell(edge, "reload", check=False)
    assert done.returncode == 78
    assert all(word in done.stderr for word in words), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert edge.get("/echo").status == 200


def test_a_bad_certificate_leaves_the_former_one_in_force(site: Site, backends, folder):
    edge = site.edge(folder)
    before = served_certificate(edge)
    make_certificate(folder, "other.test")
    without_key = (folder / "tls.pem").read_text().partition("-----BEGIN CERTIFICATE")
    bad = {
        "no key": "".join(without_key[1:]),
        "no certificate": without_key[0],
        "no PEM": "hello",
        "empty": "",
    }
    for what, text in bad.items():
        (folder / "tls.pem.new").write_text(text)
        (folder / "tls.pem.new").replace(folder / "tls.pem")
        done = tell(edge, "reload", check=False)
        assert (what, done.returncode) == (what, 78)
        assert "tls.pem" in done.stderr
        assert served_certificate(edge) == before
    (folder / "tls.pem").unlink()
    assert "/etc/edge/tls.pem is missing" in tell(edge, "reload", check=False).stderr
    assert edge.get("/echo").status == 200


def test_a_folder_can_be_checked_before_it_is_used(site: Site, folder, edge_image):
    command = [
        "run",
        "--rm",
        "--network=none",
        "--read-only",
        "--tmpfs=/tmp",
        f"--volume={folder}:/etc/edge:ro",
        edge_image,
    ]
    assert docker(*command, "edge", "check").returncode == 0
    configure(folder, EDGE_MAXCONN="many")
    done = docker(*command, "edge", "check", check=False)
    assert (done.returncode, "EDGE_MAXCONN is 'many'" in done.stderr) == (78, True)
    done = docker(*command, check=False)
    assert (done.returncode, "EDGE_MAXCONN is 'many'" in done.stderr) == (78, True), "nor does it start"


def test_without_a_change_there_is_no_reload(site: Site, backends, folder):
    edge = site.edge(folder)
    configure(folder, "localhost", WS_REPLICAS="7")  # the whole stack's settings may be in the file
    assert tell(edge, "reload").stdout == "nothing changed\n"
    assert edge.container.says("Loading success").count("Loading success") == 1


@pytest.mark.parametrize("how", ["signal", "by itself"])
def test_a_change_is_taken_up(site: Site, backends, folder, how):
    edge = site.edge(folder)
    configure(folder, "localhost added.test")
    if how == "signal":
        docker("kill", "--signal=USR2", edge.container.name)
    wait_for(lambda: edge.get("/echo", host="added.test").status == 200, "the new name is served")
    edge.container.says("edge: reloaded")


def test_former_workers_are_few(site: Site, backends, folder):
    """Three at most: with the fourth reload the oldest is cut."""
    edge = site.edge(folder)
    links = []
    for number in range(5):
        links.append(edge.upgrade())
        assert head(links[-1]).status == 101
        configure(folder, f"localhost added-{number}.test")
        tell(edge, "reload")
    wait_for(lambda: status(edge)["former_workers"] <= 3, "the oldest are gone")
    assert cut(links[0])
    links[-1].sendall(frame(b"kept"))
    assert read_frame(links[-1]) == b"kept"


def test_what_a_former_worker_has_open_ends_in_time(site: Site, backends, folder):
    configure(folder, "localhost", EDGE_RELOAD_TIMEOUT="3s")
    edge = site.edge(folder)
    with edge.upgrade() as link:
        assert head(link).status == 101
        make_certificate(folder)
        begin = time.monotonic()
        tell(edge, "reload")
        assert cut(link)
        assert 2.5 < time.monotonic() - begin < 30


# --- Drain and stop -------------------------------------------------------------------------------


def test_a_drained_edge_sends_load_balancers_away_and_serves_on(site: Site, backends, folder):
    edge = site.edge(folder)
    tell(edge, "drain")
    assert status(edge)["draining"]
    plain = b"GET /-/edge HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert (edge.get("/-/edge").status, edge.plain(plain).status) == (503, 503)
    assert edge.get("/echo").status == 200
    assert edge.container.run(*edge.container.inspect()["Config"]["Healthcheck"]["Test"][1:]).returncode == 0
    make_certificate(folder)
    tell(edge, "reload")
    assert edge.get("/-/edge").status == 503, "a reload does not end it"
    tell(edge, "undrain")
    assert (edge.get("/-/edge").status, edge.plain(plain).status) == (200, 200)


def test_a_stop_drains_first_then_finishes_then_cuts(site: Site, backends, folder):
    configure(folder, "localhost", EDGE_DRAIN_TIMEOUT="3s", EDGE_STOP_TIMEOUT="2s")
    edge = site.edge(folder)
    link = edge.upgrade()
    assert head(link).status == 101
    begin = time.monotonic()
    docker("kill", "--signal=TERM", edge.container.name)
    wait_for(lambda: edge.get("/-/edge").status == 503, "it drains")
    assert edge.get("/echo").status == 200, "and serves meanwhile"

    def refused() -> bool:
        try:
            edge.get("/echo")
        except OSError:
            return True
        return False

    wait_for(refused, "nothing new is taken")
    assert time.monotonic() - begin >= 2.9
    link.sendall(frame(b"still here"))
    assert read_frame(link) == b"still here"
    assert edge.container.ended() == 0
    assert 4.5 < time.monotonic() - begin < 30
    assert cut(link)
    assert edge.container.inspect()["Config"]["StopSignal"] == "SIGTERM"


def test_an_edge_that_was_drained_before_does_not_wait_again(site: Site, backends, folder):
    configure(folder, "localhost", EDGE_DRAIN_TIMEOUT="25s", EDGE_STOP_TIMEOUT="1s")
    edge = site.edge(folder)
    tell(edge, "drain")
    begin = time.monotonic()
    docker("kill", "--signal=TERM", edge.container.name)
    assert edge.container.ended() == 0
    assert time.monotonic() - begin < 24


STOPPED = """
import os, signal
for process in filter(str.isdigit, os.listdir("/proc")):
    if open(f"/proc/{process}/comm").read() == "haproxy\\n":
        os.kill(int(process), signal.SIGSTOP)
"""


def test_a_stop_does_not_wait_for_a_reload_that_hangs(site: Site, backends, folder):
    """The engine kills after 35 s; a reload alone may wait for 30."""
    configure(folder, "localhost", EDGE_DRAIN_TIMEOUT="1s", EDGE_STOP_TIMEOUT="1s")
    edge = site.edge(folder)
    edge.container.run("python3", "-c", STOPPED)
    configure(folder, "localhost", EDGE_DRAIN_TIMEOUT="1s", EDGE_STOP_TIMEOUT="2s")
    docker("kill", "--signal=USR2", edge.container.name)
    begin = time.monotonic()
    docker("kill", "--signal=TERM", edge.container.name)
    assert edge.container.ended() == 0
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize(
    ("leave", "said"), [(405, "HTTP/1.1 405 Test"), (404, "HTTP/1.1 404 Test"), (0, "no answer")]
)
def test_a_replica_that_cannot_tell_its_sockets_holds_nothing_up(site: Site, backends, folder, leave, said):
    """One of an older release, or one that hangs: what is open is cut when its time is over, neither sooner nor later."""
    configure(folder, "localhost", EDGE_DRAIN_TIMEOUT="500ms", EDGE_STOP_TIMEOUT="3s")
    edge = site.edge(folder)
    replicas = [backend for name, backend in backends.items() if name.startswith("ws")]
    for replica in replicas:
        site.control(replica, f"/control/leave?{leave}", "POST")
    try:
        with edge.upgrade() as link:
            assert head(link).status == 101
            code, seconds = edge.container.stop()
            assert cut(link)
    finally:
        for replica in replicas:
            site.control(replica, "/control/leave?405", "POST")
    assert code == 0 and 3.4 < seconds < 20, f"exit code {code} after {seconds:.1f} s"
    lines = [json.loads(line) for line in edge.container.logs().splitlines() if '"leave"' in line]
    assert {line["told"] for line in lines} == {0}
    assert [sorted(line["silent"].values()) for line in lines] == [[said] * 2] * len(lines)


def test_where_no_one_is_there_no_answer_is_waited_for(site: Site, backends, folder):
    configure(folder, "localhost", EDGE_DRAIN_TIMEOUT="0s", EDGE_STOP_TIMEOUT="30s")
    edge = site.edge(folder)
    replicas = [backend for name, backend in backends.items() if name.startswith("ws")]
    for replica in replicas:
        site.control(replica, "/control/leave?0", "POST")
    try:
        code, seconds = edge.container.stop()
    finally:
        for replica in replicas:
            site.control(replica, "/control/leave?405", "POST")
    assert code == 0 and seconds < 20, f"exit code {code} after {seconds:.1f} s"


def test_a_request_in_flight_is_finished_by_a_stop(site: Site, backends, folder):
    edge = site.edge(folder)
    answers = []
    visitor = threading.Thread(target=lambda: answers.append(edge.get("/wait?3").status))
    visitor.start()
    wait_for(lambda: status(edge)["connections"] >= 1, "the request is there")
    code, _ = edge.container.stop()
    visitor.join()
    assert (answers, code) == ([200], 0)


def test_the_grace_period_is_the_one_that_compose_gives(edge_image):
    compose = (Path(__file__).resolve().parents[2] / "compose/compose.yml").read_text()
    edge = compose[compose.index("\n  edge:") : compose.index("\n  http:")]
    loading = (Path(__file__).resolve().parents[2] / "images/edge/edge/loading.py").read_text()
    (told,) = [line for line in edge.splitlines() if "stop_grace_period" in line]
    assert f"GRACE_SECONDS = {told.split()[1].rstrip('s')}\n" in loading


# --- ACME -----------------------------------------------------------------------------------------


def test_a_challenge_is_answered_by_every_edge(site: Site, folder):
    configure(folder, "localhost", EDGE_ACME_THUMBPRINT="9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI")
    edge = site.edge(folder, wait=False)
    ask = "GET /.well-known/acme-challenge/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = edge.plain(ask.format("evaGxfADs6pSRb2LAv9IZ").encode())
    assert answer.status == 200
    assert answer.body == b"evaGxfADs6pSRb2LAv9IZ.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
    for odd in ("", "a/b", "%3Cscript%3E", "a.b"):
        assert edge.plain(ask.format(odd).encode()).status == 308


def test_without_an_account_a_challenge_is_no_business_of_the_edge(site: Site, folder):
    edge = site.edge(folder, wait=False)
    ask = b"GET /.well-known/acme-challenge/abc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert edge.plain(ask).status == 308
