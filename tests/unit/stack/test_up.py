"""What `make up` says in the end."""

import pytest

from channels_stack_deploy.config.settings import defaults, load, parse, wrong
from channels_stack_deploy.local import compose, up
from channels_stack_deploy.paths import EXAMPLE

SECRET = "a-first-password"
DEMO = "check; demo --username anna --password-file /run/secrets/demo_password"


@pytest.mark.parametrize(
    ("environment", "known", "shown"),
    [
        ({}, False, True),
        ({}, True, False),
        ({"PASSWORD": "show"}, True, True),
        ({"PASSWORD": "another-program's"}, True, False),
        ({"CI": "true"}, False, False),
        ({"CI": "1", "PASSWORD": "show"}, True, False),
        ({"CI": "false"}, False, True),
        ({"CI": ""}, False, True),
    ],
)
def test_when_the_first_password_is_shown(environment, known, shown):
    assert up.to_be_shown(environment, known) is shown


@pytest.mark.parametrize("shown", [True, False])
def test_otherwise_its_file_is_named(deployment, capsys, shown):
    deployment.secrets.mkdir(parents=True)
    (deployment.secrets / "demo_password").write_text(SECRET)
    up.farewell(deployment, defaults() | {"APP_RELEASE_COMMANDS": DEMO}, "https://x/", "serves", shown=shown)
    said = capsys.readouterr().out
    assert (SECRET in said) is shown
    assert (str(deployment.secrets / "demo_password") in said) is not shown


@pytest.mark.parametrize("line", [None, "", "loaddata demo", "demography --username x"])
def test_no_login_is_printed_that_no_release_has_made(deployment, capsys, line):
    """A short stack.env, without that line, is one of somebody's own application."""
    deployment.secrets.mkdir(parents=True)
    (deployment.secrets / "demo_password").write_text(SECRET)
    deployment.settings.write_text("" if line is None else f"APP_RELEASE_COMMANDS={line}\n")
    up.farewell(deployment, load(deployment.settings), "https://x/", "serves", shown=True)
    said = capsys.readouterr().out
    assert "sign in" not in said and SECRET not in said
    assert "C=createsuperuser" in said


def test_the_login_of_a_new_stack_env_is_that_of_its_release(deployment, capsys):
    deployment.secrets.mkdir(parents=True)
    (deployment.secrets / "demo_password").write_text(SECRET)
    up.farewell(deployment, defaults() | parse(EXAMPLE), "https://x/", "serves", shown=True)
    assert f"sign in as  admin  with the password  {SECRET}" in capsys.readouterr().out


def test_the_engine_has_no_addresses_left():
    """As Engine 26.1.5 says it on a machine with 31 networks."""
    complaint = (
        "failed to create network cs_front: Error response from daemon: could not find an available, "
        "non-overlapping IPv4 address pool among the defaults to assign to the network"
    )
    assert "default-address-pools" in compose.fix(complaint)
    assert compose.fix("failed to create network cs_front: permission denied") == ""


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("TRACING", "", True),
        ("TRACING", "http://collector:4318", True),
        ("TRACING", "https://collector.example.org/otlp", True),
        ("TRACING", "collector", False),
        ("TRACING", "https://user:password@collector:4318", False),
        ("TRACING_PERCENT", "0.5", True),
        ("TRACING_PERCENT", "100", True),
        ("TRACING_PERCENT", "101", False),
        ("TRACING_PERCENT", "all", False),
    ],
)
def test_where_traces_go_is_checked_before_anything_is_built(name, value, fits):
    assert bool(wrong({name: value}, "stack.env")) is not fits
