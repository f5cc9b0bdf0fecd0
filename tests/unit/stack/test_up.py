"""What `make up` says in the end."""

import pytest

from stack import up
from stack.settings import defaults

SECRET = "a-first-password"


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
    up.farewell(deployment, defaults() | {"APP_RELEASE_COMMANDS": "demo"}, "https://x/", 1.0, shown=shown)
    said = capsys.readouterr().out
    assert (SECRET in said) is shown
    assert (str(deployment.secrets / "demo_password") in said) is not shown
