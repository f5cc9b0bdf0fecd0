"""The settings of the stack: defaults, derived values, refusals."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import pytest

from channels_stack.config.environment import ConfigurationError
from channels_stack.config.settings import PRIVATE_NETWORKS, Settings, misspelled, names

ROOT = Path(__file__).resolve().parents[3]
REQUIRED = {
    "SECRET_KEY": "k7f3-only-for-tests-" * 4,
    "DATABASE_URL": "postgresql://app:hunter2@db/app",
    "REDIS_URL": "redis://app:hunter2@redis:6379/0",
}


def settings(**environ: str) -> Settings:
    return Settings.from_environment({**REQUIRED, **environ})


def refused(**environ: str) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        settings(**environ)
    return [str(problem) for problem in error.value.problems]


def test_defaults():
    made = settings()
    assert (made.server_http, made.server_ws, made.http_processes) == ("gunicorn", "uvicorn", 2)
    assert made.app_worker_channels == ("reports",)
    assert ipaddress.ip_network("172.16.0.0/12") in made.trusted_proxies
    assert (made.drain_notice_seconds, made.drain_seconds, made.stop_seconds) == (3, 5, 25)


def test_origins_follow_the_domains_and_the_port():
    assert settings(DOMAINS="a.org b.org").allowed_origins == ("https://a.org", "https://b.org")
    assert settings(DOMAINS="a.org", HTTPS_PORT="8443").allowed_origins == ("https://a.org:8443",)
    behind = settings(DOMAINS="a.org", HTTPS_PORT="8443", PUBLIC_PORT="443")
    assert behind.allowed_origins == ("https://a.org",), "what stands in front has the port that visitors see"
    assert settings(ALLOWED_ORIGINS="https://c.org").allowed_origins == ("https://c.org",)


def test_what_the_example_leaves_empty_may_be_written_empty():
    """`PUBLIC_PORT=` in stack.env is the line of the example without its comment sign."""
    example = (ROOT / "compose/stack.env.example").read_text()
    empty = re.findall(r"^#?([A-Z][A-Z0-9_]*)= *$", example, re.M)
    assert "PUBLIC_PORT" in empty
    assert settings(HTTPS_PORT="8443", **dict.fromkeys(empty, "")) == settings(HTTPS_PORT="8443")


def test_no_worker_channels():
    assert settings(APP_WORKER_CHANNELS="").app_worker_channels == ()


def test_secrets_are_not_shown():
    assert "hunter2" not in repr(settings())
    assert REQUIRED["SECRET_KEY"] not in repr(settings())


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("SECRET_KEY", "short", "too short"),
        ("SECRET_KEY", "ab" * 40, "too uniform"),
        ("SECRET_KEY", "django-insecure-" + "k7f3-only-for-tests-" * 4, "made for development"),
        ("APP_ASGI", "config.asgi.application", "must be module:attribute"),
        ("APP_WORKER_CHANNELS", "a b a", "names 'a' more than once"),
        ("SERVER_WS", "hypercorn", "must be one of: uvicorn, gunicorn, daphne"),
        ("DOMAINS", "", "is empty"),
        ("DOMAINS", "https://a.org", "'https://a.org'"),
        ("DOMAINS", "a.org:8000", "'a.org:8000'"),
        ("DOMAINS", "*", "'*'"),
        ("HTTPS_PORT", "70000", "from 1 to 65535"),
        ("ALLOWED_ORIGINS", "a.org", "'a.org'"),
        ("ALLOWED_ORIGINS", "https://a.org/", "'https://a.org/'"),
        ("ALLOWED_ORIGINS", "https://a.org:99999", "'https://a.org:99999'"),
        ("ALLOWED_ORIGINS", "*", "'*'"),
        ("DATABASE_URL", "db", "is not a URL"),
        ("REDIS_URL", "http://redis", "must have one of: redis, rediss, unix, redis+sentinel"),
        ("REDIS_PREFIX", "a:b c", "letters, digits"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
        ("STOP_SECONDS", "9", "must be at least 10"),
        ("WS_MAX_SOCKETS", "0", "from 1 to"),
        ("LOG_FORMAT", "xml", "json, text"),
    ],
)
def test_refusals(name, value, wrong):
    (line,) = refused(**{name: value})
    assert line.startswith(f"{name} ")
    assert wrong in line


def test_all_problems_together_and_no_secret_in_them():
    lines = refused(SECRET_KEY="hunter2", REDIS_URL="htp://app:hunter2@redis", DATABASE_URL=" ", DOMAINS="*")
    assert [line.split()[0] for line in lines] == ["DOMAINS", "SECRET_KEY", "DATABASE_URL", "REDIS_URL"]
    assert "hunter2" not in "\n".join(lines)


def test_a_name_spelled_wrong_is_reported():
    assert misspelled({"REDIS_URI": "x"}) == [
        "REDIS_URI is not a setting of the stack and has no effect: did you mean REDIS_URL?"
    ]
    assert "SECRET_KEY_FILE" in misspelled({"SECRETKEY_FILE": "x"})[0]
    ordinary = ("PATH", "HOME", "HOSTNAME", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "DATABASE_HOST", "DEBUG")
    assert misspelled(dict.fromkeys([*ordinary, *names()], "x")) == []


def test_an_edge_of_a_private_ipv6_network_is_trusted_by_default():
    networks = [ipaddress.ip_network(network) for network in PRIVATE_NETWORKS]
    edge, stranger = ipaddress.ip_address("fd12:3456:789a::5"), ipaddress.ip_address("2001:db8::5")
    assert any(edge in network for network in networks)
    assert not any(stranger in network for network in networks)
