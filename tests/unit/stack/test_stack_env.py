"""stack.env: defaults from the example, and every mistake named with its way out."""

import dataclasses
import re
import string

import pytest

from channels_stack_deploy.config import concurrency, secrets, settings, stores
from channels_stack_deploy.console import Failure


@pytest.fixture
def load(tmp_path):
    """Load a stack.env with the given text."""

    def load(text):
        path = tmp_path / "stack.env"
        path.write_text(text)
        return settings.load(path)

    return load


def test_an_empty_file_means_the_defaults_of_the_example(load):
    values = load("")
    assert values["SERVER_HTTP"] == "gunicorn"
    assert values["HTTPS_PORT"] == "443"


def test_a_value_of_the_operator_wins(load):
    assert load("HTTPS_PORT=8443\n")["HTTPS_PORT"] == "8443"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("HTTPS_PROT=8443", ["HTTPS_PROT", "did you mean HTTPS_PORT"]),
        ("MY_APP_KEY=1", ["MY_APP_KEY", "app.env"]),
        ("HTTPS_PORT=8k", ["HTTPS_PORT", "whole number", "443"]),
        ("SERVER_WS=nginx", ["SERVER_WS", "uvicorn, gunicorn, daphne"]),
        ("APP_COMMANDS=backup: ./backup.sh", ["stack.env: APP_COMMANDS", "'backup'"]),
        ("EDGE_TUNNEL_TIMEOUT=90", ["EDGE_TUNNEL_TIMEOUT", "unit", "90s"]),
        ("WS_PING_SECONDS=60", ["EDGE_TUNNEL_TIMEOUT is 90s and WS_PING_SECONDS 60", "250s for example"]),
        ("EDGE_TUNNEL_TIMEOUT=40s", ["EDGE_TUNNEL_TIMEOUT is 40s and WS_PING_SECONDS 20", "90s for example"]),
        ("EDGE_HANDSHAKE_TIMEOUT=2m", ["EDGE_HANDSHAKE_TIMEOUT is 2m", "less than EDGE_TUNNEL_TIMEOUT, 90s"]),
        ("just words", ["stack.env:1", "NAME=value"]),
        ("DOMAINS=https://Rooms.example.org/chat", ["DOMAINS", "https://", "write rooms.example.org"]),
        ("DOMAINS=rooms.example.org.", ["DOMAINS", "write rooms.example.org"]),
        ("DOMAINS=*.example.org", ["DOMAINS", "write example.org"]),
        ("DOMAINS=rooms.example.org:8443", ["DOMAINS", "write rooms.example.org"]),
        ("DOMAINS=räume.example.org", ["DOMAINS", "ASCII", "write xn--rume-loa.example.org"]),
        ("DOMAINS=a.example.org,b.example.org", ["DOMAINS", "write a.example.org b.example.org"]),
    ],
)
def test_a_mistake_names_the_place_and_the_way_out(load, text, words):
    with pytest.raises(Failure) as failure:
        load(text)
    assert all(word in str(failure.value) for word in words), failure.value


@pytest.mark.parametrize(
    "text", ["WS_PING_SECONDS=60\nEDGE_TUNNEL_TIMEOUT=3m", "EDGE_TUNNEL_TIMEOUT=41000ms"]
)
def test_an_edge_that_outwaits_the_pings_is_right(load, text):
    assert load(text)["EDGE_HANDSHAKE_TIMEOUT"] == "15s"


@pytest.mark.parametrize(
    "text", ["localhost", "192.0.2.7", "a.example.org b.example.org", "xn--rume-loa.example.org"]
)
def test_domains(load, text):
    assert load(f"DOMAINS={text}")["DOMAINS"] == text


def test_the_place_is_where_people_wrote(tmp_path):
    path = tmp_path / "stack.env"
    path.write_text("HTTPS_PORT=8k")
    with pytest.raises(Failure, match="stack_settings: HTTPS_PORT"):
        settings.load(path, "stack_settings")


def test_all_mistakes_are_reported_at_once(load):
    with pytest.raises(Failure) as failure:
        load("HTTPS_PORT=8k\nSERVER_WS=nginx\nHTTPS_PROT=1\n")
    assert len(str(failure.value).splitlines()) == 3


def test_a_file_from_windows_is_read(load):
    assert load("\ufeffHTTPS_PORT=8443\r\n")["HTTPS_PORT"] == "8443"


def test_the_example_says_the_defaults_of_the_runtime():
    from channels_stack.config.settings import Settings

    example = settings.defaults()
    required = {
        "SECRET_KEY": string.ascii_letters,
        "DATABASE_URL": "postgresql://u:p@db/app",
        "REDIS_URL": "redis://redis",
    }
    bare = Settings.from_environment(required)
    told = Settings.from_environment({**required, **{k: v for k, v in example.items() if v}})
    different = [
        field.name
        for field in dataclasses.fields(Settings)
        if getattr(bare, field.name) != getattr(told, field.name)
    ]
    assert different == []


def test_every_setting_of_the_runtime_stands_in_the_example():
    from channels_stack.config.settings import Settings

    # Secrets, made by `make up`.
    files = {"secret_key", "secret_key_fallbacks", "database_url", "redis_url", "app_redis_url"}
    fixed = {"static_root", "media_root", "debug"}  # volumes of compose.yml; `make dev`
    names = {field.name for field in dataclasses.fields(Settings)} - files - fixed
    assert names - {name.lower() for name in settings.defaults()} == set()


def test_the_example_says_the_defaults_of_the_edge(root):
    text = (root / "images/edge/haproxy.cfg").read_text()
    edge = dict(re.findall(r"^\s+presetenv (\w+) (\S+)", text, re.M))
    example = settings.defaults()
    example |= concurrency.derived(example)
    # Fixed by the networks of compose.yml, or given by the program `edge` itself.
    inside = {
        "EDGE_METRICS_BIND",
        "EDGE_RESOLVER",
        "EDGE_CERTIFICATE",
        "EDGE_SERVERS",
        "EDGE_WORKER",
        "EDGE_IPV6",
        "EDGE_MAINTENANCE",
        "EDGE_SHARE",
        "EDGE_ACME_THUMBPRINT",
    }
    # Empty in the example: as another setting has it.
    assert {name: example.get(name) for name in edge if name not in inside} == {
        name: "" if value.startswith('"${') else value for name, value in edge.items() if name not in inside
    }


@pytest.mark.parametrize(
    ("chosen", "policy", "on_disk"),
    [("cache", "allkeys-lru", "no"), ("queue", "noeviction", "yes"), ("both", "volatile-lru", "yes")],
)
def test_the_applications_redis_keeps_what_it_was_asked_to(chosen, policy, on_disk):
    given = settings.defaults() | {"APP_REDIS": chosen, "APP_REDIS_MEMORY": "1G"}
    assert stores.derived(given) == {
        "APP_REDIS_MAXMEMORY": "768mb",
        "APP_REDIS_POLICY": policy,
        "APP_REDIS_APPENDONLY": on_disk,
    }
    assert "redis-app" in stores.services(given)


def test_a_stack_without_it_is_what_it_was(deployment):
    assert stores.services(settings.defaults()) == ["db", "redis"]
    assert stores.files(settings.defaults()) == []
    secrets.make(deployment)
    assert not [path.name for path in deployment.secrets.iterdir() if path.name.startswith("app_redis")]


def test_every_variable_of_the_compose_files_is_known(root):
    images = ("HTTP", "WS", "WORKER", "EDGE", "REDIS", "DB", "BACKUP", "CERTIFICATES", "MONITORING")
    made = {
        "STACK_DIR",
        "EDGE_FOLDER",
        "BACKUP_FOLDER",
        "STOP_GRACE",
        "BIND_ADDRESS_6",
        "PUBLIC_SUBNET_6",
        *(f"{name}_IMAGE" for name in images),
    }
    made |= concurrency.derived(settings.defaults()).keys() | stores.derived(settings.defaults()).keys()
    used = set()
    for path in (root / "compose").glob("compose*.yml"):
        used |= set(re.findall(r"\$\{(\w+)(?!\w|:\?set by the role stack)", path.read_text()))
    assert used - made - settings.defaults().keys() == set()
