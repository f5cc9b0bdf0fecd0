"""app.env: a value that Compose would change without a word."""

import pytest

from channels_stack_deploy.config import app_variables, settings
from channels_stack_deploy.console import Failure
from channels_stack_deploy.paths import Deployment


@pytest.mark.parametrize(
    ("value", "loses"),
    [
        ("pbkdf2_sha256$1000$salt$hash=", True),
        ("pa$$word$x", True),
        ('"pa$word"', True),
        ("open${brace", True),
        ("${NOWHERE}", True),
        ("'pbkdf2_sha256$1000$salt$hash='", False),
        ('"pa\\$word"', False),
        ("pa\\$word", True),
        ("${ABOVE}/path and $HOME", False),
        ("${NOWHERE:-default}", False),
        ("costs$5$", False),
        ("pa$$word", False),
        ("plain # costs 5 $", False),
        ("'two\nlines $of' # it", False),
    ],
)
def test_a_value_that_would_lose_a_part_is_named(value, loses):
    text = f"# PASSWORD=$not-set\nABOVE=1\nPASSWORD={value}\nBELOW=$PASSWORD\n"
    assert app_variables.mangled(text, {"HOME": "/root"}) == ([(3, "PASSWORD")] if loses else [])


def test_the_message_has_the_fix_and_no_part_of_the_value(tmp_path):
    deployment = Deployment(tmp_path)
    deployment.application.write_text("\nexport TOKEN_HASH=pbkdf2$hunter2\n")
    with pytest.raises(Failure) as raised:
        app_variables.check(deployment, {})
    assert str(raised.value).startswith("app.env:2: the value of TOKEN_HASH holds a $")
    assert "TOKEN_HASH='…'" in str(raised.value) and "hunter2" not in str(raised.value)


def test_names_may_end_with_a_colon():
    assert app_variables.mangled("PASSWORD: pa$word\nPLAIN: x\n", {}) == [(1, "PASSWORD")]


def test_what_is_not_utf_8_is_named_with_its_line(tmp_path):
    deployment = Deployment(tmp_path)
    for path in (deployment.application, deployment.settings):
        path.write_bytes(b"A=1\nPASSWORD=\xe9\n")
    with pytest.raises(Failure, match=r"app.env:2: it is not UTF-8"):
        app_variables.check(deployment, {})
    with pytest.raises(Failure, match=r"stack.env:2: it is not UTF-8"):
        settings.load(deployment.settings)
