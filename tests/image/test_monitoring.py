"""The image of the monitoring: its files are right, each alert fires for its fault, and errors are one line."""

from __future__ import annotations

import base64
import json
import os
import re
import runpy
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from .conftest import HARDENED, RUN, Container, Yard, docker, wait_for

RULES = Path(__file__).with_name("monitoring_rules.yml")
IMAGES = Path(__file__).parents[2] / "images"

ASK = """
import base64, sys, urllib.error, urllib.request
port, path, user, data = sys.argv[1:]
request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data.encode() or None, {"Content-Type": "application/json"})
if user:
    request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
try:
    print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print(0)
"""


@pytest.fixture(scope="module")
def image() -> str:
    return os.environ["MONITORING_IMAGE"]


def promtool(image: str, *arguments: str, check: bool = True):
    mounted = ("--volume", f"{RULES}:/rules.yml:ro", "--entrypoint", "promtool")
    return docker("run", "--rm", "--network", "none", *mounted, image, *arguments, check=check, timeout=300)


def test_its_configuration_is_valid(image):
    assert "SUCCESS" in promtool(image, "check", "config", "/etc/prometheus/prometheus.yml").stdout
    default = ("--volume", f"{IMAGES}/monitoring/alertmanager.yml:/given.yml:ro", "--entrypoint", "amtool")
    assert "SUCCESS" in docker("run", "--rm", *default, image, "check-config", "/given.yml").stdout


def test_each_alert_fires_for_its_fault_and_none_without_one(image):
    done = promtool(image, "test", "rules", "/rules.yml", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_its_fault(image):
    alerts = set(re.findall(r"- alert: (\w+)", (IMAGES / "monitoring/rules.yml").read_text()))
    assert len(alerts) > 20
    assert alerts == set(re.findall(r"alertname: (\w+)", RULES.read_text()))


def test_one_exporter_asks_each_of_three_redis(yard: Yard, image, redis_image, tmp_path):
    """As Prometheus does with REDIS_NODES=3: the secret names Sentinels, the targets name the nodes."""
    acl, url, password = (tmp_path / name for name in ("redis_acl", "redis_url", "monitoring_password"))
    acl.write_text((IMAGES / "redis/users.acl.template").read_text().replace("{password}", "swordfish"))
    url.write_text("redis+sentinel://app:swordfish@sentinel,sentinel-2,sentinel-3/redis/0")
    password.write_text("right")
    for file in (acl, url, password):
        file.chmod(0o444)

    def node(name: str) -> Container:
        flags = [f"--network-alias={name}", "--user=999:999", f"--volume={acl}:/run/secrets/redis_acl:ro"]
        flags += [f"--volume={IMAGES}/redis/redis.conf:/etc/redis/redis.conf:ro", "--tmpfs=/tmp"]
        command = ("redis-server", "/etc/redis/redis.conf", "--aclfile", "/run/secrets/redis_acl")
        return yard.start(redis_image, *command, flags=[*flags, f"--volume={yard.volume()}:/data"])

    containers = {name: node(name) for name in ("redis", "redis-2", "redis-3")}
    secrets = [f"--volume={path}:/run/secrets/{path.name}:ro" for path in (url, password)]
    exporter = yard.start(image, "redis", flags=["--tmpfs=/tmp", "--publish=127.0.0.1::9121", *secrets])
    targets = runpy.run_path(str(IMAGES / "monitoring/monitoring.py"))["redis_targets"]("3")

    def up() -> dict[str, str]:
        found = {}
        for labels in (target["labels"] for target in targets):
            words = urllib.parse.urlencode({"target": labels["__param_target"]})
            text = _scraped(exporter, f"{labels['__metrics_path__']}?{words}")
            assert "swordfish" not in text
            found[labels["instance"]] = re.search(r"^redis_up (\d)", text, re.M)[1]
            if found[labels["instance"]] == "1":
                assert "redis_memory_used_bytes " in text
        return found

    wait_for(
        lambda: "redis_up" in _scraped(exporter, "/scrape?target=redis://redis:6379"), "the exporter answers"
    )
    wait_for(lambda: up() == dict.fromkeys(containers, "1"), "all three are measured")
    containers["redis-2"].stop()
    assert up() == {"redis": "1", "redis-2": "0", "redis-3": "1"}


def _scraped(exporter: Container, path: str) -> str:
    """What the exporter says at PATH to who knows the password; empty while it does not answer yet."""
    asked = urllib.request.Request(f"http://127.0.0.1:{exporter.port(9121)}{path}")
    asked.add_header("Authorization", "Basic " + base64.b64encode(b"prometheus:right").decode())
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.read().decode()
    except OSError:
        return ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "monitoring: prometheus: "),
        (("grafana",), "monitoring: name one of prometheus, alertmanager, blackbox, postgres, redis, node"),
        (("postgres",), "monitoring: postgres: "),
    ],
)
def test_what_is_wrong_is_one_line(image, words, said):
    done = docker("run", "--rm", "--network", "none", image, *words, check=False)
    assert done.returncode == 1 and done.stderr.startswith(said) and len(done.stderr.splitlines()) == 1


SECRETS = {
    "monitoring_password": "right",
    "alertmanager": (IMAGES / "monitoring/alertmanager.yml").read_text(),
    "database_url": "postgresql://app:swordfish@db:5432/app",
    "redis_url": "redis://app:swordfish@redis:6379/0",
}
SILENCE = json.dumps(
    {
        "matchers": [{"name": "alertname", "value": ".+", "isRegex": True}],
        **{"startsAt": "2026-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z"},
        **{"createdBy": "x", "comment": "x"},
    }
)
GUARDED = {
    "alertmanager": (
        9093,
        [("/api/v2/silences", SILENCE), ("/api/v2/status", ""), ("/metrics", ""), ("/-/ready", "")],
    ),
    "blackbox": (9115, [("/probe?module=page&target=http://node-exporter:9100/", ""), ("/metrics", "")]),
    "postgres": (9187, [("/metrics", ""), ("/probe?target=elsewhere:5432", "")]),
    "redis": (9121, [("/metrics", ""), ("/scrape?target=redis://elsewhere:6379", "")]),
}
"""Programs that processes of the application reach, the port of each, and what these could ask: path and what is sent."""


@pytest.fixture(params=GUARDED)
def guarded(request, image, tmp_path):
    """(a function (path, user:password, data) -> the status of the answer, what can be asked) of a program that runs."""
    program, name = request.param, f"{RUN}-{request.param}"
    port, questions = GUARDED[program]
    for secret, text in SECRETS.items():
        (tmp_path / secret).write_text(text)
    tmp_path.chmod(0o755)
    given = ("--tmpfs", "/tmp:size=16m,mode=1777", "--volume", "/srv/alertmanager", "--env", "SITE=a.test")
    mounted = ("--volume", f"{tmp_path}:/run/secrets:ro", *HARDENED, *given, "--network", "none")
    docker("run", "--detach", "--name", name, *mounted, image, program)

    def ask(path, user="", data=""):
        return int(docker("exec", name, "python3", "-c", ASK, str(port), path, user, data).stdout)

    try:
        wait_for(lambda: ask("/metrics"), "an answer")
        yield ask, questions
    finally:
        docker("rm", "--force", "--volumes", name)


def test_no_process_of_the_application_gets_an_answer(guarded):
    """Nobody without the password reads or silences alerts, or has an exporter ask another address."""
    ask, questions = guarded
    for path, data in questions:
        assert [ask(path, user, data) for user in ("", "prometheus:wrong")] == [401, 401], path
    assert ask("/metrics", "prometheus:right") == 200


@pytest.mark.parametrize("guarded", ["alertmanager"], indirect=True)
def test_whoever_knows_the_password_silences_an_alert(guarded):
    ask, questions = guarded
    for path, data in questions:
        assert ask(path, "prometheus:right", data) == 200, path


def test_the_machine_is_measured_by_a_user_that_owns_nothing_of_it(image):
    """As Compose and Swarm run it, and nothing fails at each question."""
    name = f"{RUN}-node"
    asked = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9100/metrics').read().decode())"
    given = (
        *HARDENED,
        "--user",
        "65534:65534",
        "--tmpfs",
        "/tmp",
        "--volume",
        "/:/host:ro",
        "--network",
        "none",
    )
    docker("run", "--detach", "--name", name, *given, image, "node")
    try:
        wait_for(
            lambda: "node_load1 " in docker("exec", name, "python3", "-c", asked, check=False).stdout,
            "an answer",
        )
        text = docker("exec", name, "python3", "-c", asked).stdout
        # What the alerts ask for.
        for metric in (
            r'filesystem_avail_bytes\{.*mountpoint="/"',
            r"vmstat_oom_kill ",
            r"timex_offset_seconds ",
            r"uname_info\{",
        ):
            assert re.search(f"^node_{metric}", text, re.M), metric
        logs = docker("logs", name)
        assert "failed to" not in logs.stderr and "collector failed" not in logs.stderr, logs.stderr
    finally:
        docker("rm", "--force", name)
