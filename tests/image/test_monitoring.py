"""The image of the monitoring: its files are right, each alert fires for its fault, and errors are one line."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from .conftest import docker

RULES = Path(__file__).with_name("monitoring_rules.yml")
IMAGES = Path(__file__).parents[2] / "images"


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
