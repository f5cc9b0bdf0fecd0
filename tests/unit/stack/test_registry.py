"""Names of images as hosts know them, and the login of a registry: what can be said of them without an engine."""

import json
from pathlib import Path

import pytest

from channels_stack_deploy.console import Failure
from channels_stack_deploy.registry import push, transfer


def test_over_ssh_an_image_bears_a_name_that_no_one_else_can_give():
    assert transfer.named({"EDGE_IMAGE": "channels-stack/edge:1d30ba7510e5"}) == {
        "EDGE_IMAGE": "127.0.0.1:1/channels-stack/edge:1d30ba7510e5"
    }


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("registry.example.org", "registry.example.org"),
        ("registry.example.org/rooms/live", "registry.example.org"),
        ("192.0.2.7:5000", "192.0.2.7:5000"),
        ("nas:5000/rooms", "nas:5000"),
    ],
)
def test_the_host_of_a_registry(address, host):
    assert push.host(address) == host


@pytest.mark.parametrize(
    "address", ["https://registry.example.org", "rooms", "Registry.example.org", "nas:5000/"]
)
def test_what_is_no_registry(address):
    with pytest.raises(Failure, match=r"stack_registry: .* is no registry: registry\.example\.org/rooms"):
        push.host(address)


def login(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "login"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_login_becomes_a_configuration_of_docker(tmp_path):
    found = json.loads(push.configuration("nas:5000/rooms", login(tmp_path, "me:a:b\n")))
    assert found == {"auths": {"nas:5000": {"auth": "bWU6YTpi"}}}


def test_without_a_file_there_is_no_login(tmp_path):
    assert push.configuration("nas:5000", tmp_path / "login") == ""


@pytest.mark.parametrize("text", ["", "me", "me:", ":canary", "me:canary\nyou:canary"])
def test_what_is_no_login_is_refused_without_showing_it(tmp_path, text):
    with pytest.raises(Failure, match="is no login: it takes one line, USER:PASSWORD") as refused:
        push.configuration("nas:5000", login(tmp_path, text))
    assert "canary" not in str(refused.value)


def test_a_login_that_others_may_read_is_refused(tmp_path):
    with pytest.raises(Failure, match="chmod 600"):
        push.configuration("nas:5000", login(tmp_path, "me:canary", 0o640))


@pytest.mark.parametrize(
    ("complaint", "words"),
    [
        ("no basic auth credentials", "wants a login: write USER:PASSWORD into"),
        ('Get "https://nas:5000/v2/": x509: certificate signed by unknown authority', "stack_registry_ca"),
        ('Get "https://nas:5000/v2/": dial tcp: lookup nas: no such host', "check stack_registry"),
    ],
)
def test_why_a_registry_was_of_no_use(tmp_path, complaint, words):
    text = push.refused("nas:5000/rooms", tmp_path / "login", complaint)
    assert words in text and complaint in text and text.endswith("Nothing was changed")


def test_a_login_that_is_not_taken(tmp_path):
    path = login(tmp_path, "me:wrong")
    assert "does not take the login in" in push.refused(
        "nas:5000", path, "unauthorized: authentication required"
    )
