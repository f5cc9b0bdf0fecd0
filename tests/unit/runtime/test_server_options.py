"""What the servers are asked for is known to their versions; what an older or newer one lacks is left out with one line."""

from __future__ import annotations

import logging

import pytest
import uvicorn
from gunicorn.config import make_settings

from channels_stack import servers
from channels_stack.config.settings import Settings
from channels_stack.servers import gunicorn
from channels_stack.servers.uvicorn import config_options


@pytest.fixture
def settings() -> Settings:
    return Settings.from_environment(
        {
            "SECRET_KEY": "for-this-test-only-0123456789abcdefghijklmnopqrstuvwxyz",
            "DATABASE_URL": "postgresql://app:none@db/app",
            "REDIS_URL": "redis://redis/0",
        }
    )


def test_the_versions_of_our_locks_know_all(settings, caplog):
    assert uvicorn.Config(lambda: None, **config_options(settings, "http")).http == "httptools"
    options = gunicorn._options(settings, "http", 8000)
    assert servers.known("gunicorn", options, make_settings()) == options
    assert caplog.records == []


def test_what_a_version_lacks_is_left_out_with_one_line(caplog):
    wanted = {"backlog": 5, "of_tomorrow": 1, "and_of_yesterday": 2}
    assert servers.known("uvicorn", wanted, servers.parameters(uvicorn.Config)) == {"backlog": 5}
    (line,) = caplog.records
    assert (line.levelno, line.getMessage()) == (
        logging.WARNING,
        f"uvicorn {uvicorn.__version__} does not know and_of_yesterday, of_tomorrow: it serves without",
    )
