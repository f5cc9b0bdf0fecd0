"""SECRET_COMMANDS: a vault's client gives secrets, a real program that reads a file; what it says is in no message."""

import os
import stat

import pytest

from channels_stack_deploy.config import rotation, secret_commands, secrets
from channels_stack_deploy.console import Failure

CLIENT = """#!/bin/sh
# vault NAME: the secret of that name, to whoever has the token.
here=$(dirname "$0")
if [ ! -e "$here/token" ]; then
    echo "half a secret: s3cr"
    echo "trying the token" >&2
    echo "permission denied: the token has expired" >&2
    exit 3
fi
cat "$here/kept/$1"
"""


@pytest.fixture
def vault(tmp_path):
    """The client; what it keeps is next to it."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "token").touch()
    path = tmp_path / "vault"
    path.write_text(CLIENT)
    path.chmod(0o755)
    (tmp_path / "kept/key").write_text("a key from the vault\n")
    (tmp_path / "kept/ca").write_text("-----BEGIN-----\nAAAA\n-----END-----\n")
    return path


@pytest.fixture
def made(deployment, vault):
    """A function (the value of SECRET_COMMANDS) -> the folder of the secrets, made."""

    def make(text: str):
        deployment.folder.mkdir(exist_ok=True)
        deployment.settings.write_text(f"SECRET_COMMANDS={text}\n")
        secrets.make(deployment)
        return deployment.secrets

    return make


def test_what_it_prints_is_the_secret(made, vault):
    folder = made(f"secret_key: {vault} key; data_ca: {vault} ca")
    assert (folder / "secret_key").read_text() == "a key from the vault"
    assert (folder / "data_ca").read_text() == "-----BEGIN-----\nAAAA\n-----END-----\n"
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o400
    assert (folder / "db_password").read_text(), "the others are made as ever"


def test_the_same_one_is_not_written_again_and_a_new_one_is(made, deployment, vault):
    text = f"secret_key: {vault} key"
    key = made(text) / "secret_key"
    before = key.stat()
    assert made(text) and key.stat() == before
    (vault.parent / "kept/key").write_text("another key\n")
    made(text)
    assert key.read_text() == "another key"
    # By hand, of the same length: the command has the last word.
    key.unlink()
    key.write_text("nothing key")
    os.utime(key, ns=(1, 1))
    made(text)
    assert key.read_text() == "another key"
    kept = deployment.fetched.read_text()
    assert stat.S_IMODE(deployment.fetched.stat().st_mode) == 0o600 and "another" not in kept
    made("")
    assert key.read_text() == "another key" and not deployment.fetched.exists()


def test_one_that_fails_is_one_line_and_changes_nothing(made, vault):
    folder = made("")
    before = {path.name: path.read_text() for path in folder.iterdir()}
    (vault.parent / "token").unlink()
    with pytest.raises(Failure) as failure:
        made(f"secret_key: {vault} key")
    assert str(failure.value) == (
        f"SECRET_COMMANDS: the command of secret_key, {vault}, failed (exit 3): permission denied: the token has expired"
    )
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("secret_key: /nowhere/vault key", "/nowhere/vault, is not there"),
        ("secret_key: /etc/passwd", "cannot be run: Permission denied"),
        ("secret_key: true", "prints nothing"),
        ("secret_key: echo", "prints nothing"),
        (r"secret_key: printf '\377'", "is no text"),
        ("secret_kye: echo a", "did you mean secret_key?"),
        ("secret_key: echo a; secret_key: echo b", "more than once"),
        ("secret_key echo a", "does not begin with `name: command`"),
        ("secret_key:", "does not begin with `name: command`"),
        ('secret_key: echo "a', "No closing quotation"),
        ("database_url: echo a", "name both, or neither"),
    ],
)
def test_a_mistake_is_named(made, text, complaint):
    with pytest.raises(Failure) as failure:
        made(text)
    assert complaint in str(failure.value) and "\n" not in str(failure.value)


def test_a_program_that_asks_is_ended(made, monkeypatch):
    """It has no terminal, and nobody to answer."""
    monkeypatch.setattr(secret_commands, "SECONDS", 0.2)
    with pytest.raises(Failure, match="did not end within"):
        made("secret_key: tail -f /dev/null")


def test_a_rotation_leaves_it_alone(made, deployment, vault):
    made(f"secret_key: {vault} key")
    assert rotation.chosen(deployment, "") == ["db", "redis"]
    with pytest.raises(Failure, match="secret_key comes from its command"):
        rotation.chosen(deployment, "secret_key")
