"""What is written down of a verb: who it was, and no password."""

import os
import pwd
import shlex

import pytest

from channels_stack_deploy import person
from channels_stack_deploy.operate import audit, releases


@pytest.mark.parametrize(
    "typed",
    [
        "createsuperuser --password hunter2",
        "createsuperuser --password=hunter2",
        "DJANGO_SUPERUSER_PASSWORD=hunter2 createsuperuser",
        "PASSWORD1=hunter2 import",
        "import --api-key2=hunter2",
        """-c "alter user app password 'hunter2'" """,
        """shell -c "user.set_password('hunter2')" """,
        """shell -c "login(password = 'hunter2')" """,
        """shell -c "call({'api_key': 'hunter2'})" """,
        "sh -c 'curl -H \"Authorization: Bearer hunter2\" localhost'",
        "sh -c 'x --password hunter2 -v'",
        "psql postgres://app:hunter2@db/app",
        "python -m x --broker redis://:hunter2@redis:6379/0",
        "python -m x redis://:hunter2@redis --token=hunter2",
    ],
)
def test_no_password_is_written_down(typed):
    written = audit.hidden(shlex.split(typed))
    assert "hunter2" not in written and "…" in written


@pytest.mark.parametrize(
    "typed",
    ["migrate rooms 0003", "changepassword anna", "clearsessions --verbosity 2", "-c 'select key from t'"],
)
def test_what_is_none_is_written_down(typed):
    assert audit.hidden(shlex.split(typed)) == typed


def test_who_it_was_is_no_matter_of_variables(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert person.who().partition("@")[0] == person.user(os.getuid())
    assert "somebody-else" not in person.who()


def test_who_became_root_by_sudo_is_named(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "daemon")
    monkeypatch.setattr(os, "getuid", lambda: 1)
    assert "(" not in person.who(), "each user may set a variable"
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert person.who().startswith(f"{pwd.getpwuid(0).pw_name}(daemon)@")
    monkeypatch.setenv("SUDO_USER", "a\nb")
    assert "(" not in person.who(), "no such user"


@pytest.mark.parametrize(
    "command",
    [
        ["celery", "--broker", "redis://:hunter2@redis/0"],
        ["x", "--password", "hunter2"],
        ["x", "--password=hunter2"],
        ["sh", "-c", "x --api-key hunter2"],
    ],
)
def test_what_a_release_changed_shows_no_password(command):
    """In a command of APP_COMMANDS, or in the environment."""
    definition = {
        "command": command,
        "environment": {"BROKER": "amqp://app:hunter2@mq", "APP_TOKEN": "hunter2"},
    }
    values = releases.leaves(definition)
    assert len(values) == len(command) + 2 and "hunter2" in str(values)
    assert "hunter2" not in str([(place, releases.shown(place, value)) for place, value in values])
