"""docs/how-to/secrets.md on one machine: each secret is exchanged as the page says, and nobody is signed out."""

from __future__ import annotations

import secrets
import subprocess

import documented
import pytest
import stacks
from visitors import browse, sign_in

PAGE = "docs/how-to/secrets.md"


@pytest.fixture(scope="module")
def place():
    """A stack of its own, small."""
    with stacks.own(
        "secrets", HTTP_REPLICAS="1", WS_REPLICAS="1", HTTP_PROCESSES="1", **stacks.BRIEF
    ) as made:
        yield made


@pytest.fixture(scope="module")
def visitor(place):
    """Somebody who signs in before the first exchange."""
    with browse(place) as client:
        assert sign_in(client, place.user, place.password).status_code == 302
        yield client


def written(place: stacks.Stack, name: str, text: str) -> None:
    """Another content of a secret, as the page says: removed, and written again."""
    path = place.folder / "secrets" / name
    path.unlink()
    path.write_text(text)
    path.chmod(0o400)


def read(place: stacks.Stack, name: str) -> str:
    """A secret; root reads those of the containers."""
    return stacks.docker(
        "run",
        "--rm",
        "--user=0",
        "--network=none",
        f"--volume={place.folder / 'secrets'}:/s:ro",
        "--entrypoint=cat",
        image(place),
        f"/s/{name}",
    ).strip()


def image(place: stacks.Stack) -> str:
    return stacks.inspect(place.containers("http")[0])["Image"]


def is_signed_in(client) -> bool:
    return client.get("/", follow_redirects=False).status_code == 200


def test_the_secret_key_in_two_steps(place, visitor):
    old, new = read(place, "secret_key"), secrets.token_urlsafe(64)
    written(place, "secret_key_fallbacks", new)
    stacks.tool(place.folder, "up")
    assert is_signed_in(visitor)
    written(place, "secret_key", new)
    written(place, "secret_key_fallbacks", old)
    stacks.tool(place.folder, "up")
    assert is_signed_in(visitor)


def test_passwords_of_the_data_stores(place, visitor):
    (command,) = [one for one in documented.commands() if one.page == PAGE and "psql" in one.text]
    password = secrets.token_urlsafe(32)
    old = {name: read(place, name) for name in ("database_url", "redis_url", "db_password")}
    typed(place, command.words, f"{password}\n{password}\n")
    written(place, "db_password", password)
    written(place, "database_url", old["database_url"].replace(old["db_password"], password))
    for name in ("redis_url", "redis_acl"):
        (place.folder / "secrets" / name).unlink()
    stacks.tool(place.folder, "up")
    assert read(place, "redis_url") != old["redis_url"]
    assert logs_in(place, password) and not logs_in(place, old["db_password"])
    assert is_signed_in(visitor)


def typed(place: stacks.Stack, words: list[str], answers: str) -> None:
    """`docker compose exec …` of the page in the folder of PLACE, with ANSWERS to what it asks."""
    assert words[:3] == ["docker", "compose", "exec"]
    folder = ["--project-directory", str(stacks.ROOT / "compose"), "--env-file", str(place.folder / ".env")]
    done = subprocess.run(
        [*words[:2], *folder, "exec", "-T", *words[3:]],
        input=answers,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def logs_in(place: stacks.Stack, password: str) -> bool:
    """Whether the database lets the application's role in by the network, with PASSWORD."""
    ask = ["psql", "-h", "db", "-U", "app", "-d", "app", "-c", "select 1"]
    try:
        place.compose("exec", "-T", "-e", f"PGPASSWORD={password}", "db", *ask)
    except stacks.StackError as error:
        if "password authentication failed" not in str(error):
            raise
        return False
    return True


VAULT = """#!/bin/sh
# Gives the secret of that name, from the folder next to it, to whoever has the token.
here=$(dirname "$0")
[ -e "$here/token" ] && exec cat "$here/$1"
cat "$here/$1" | cut -c 1-9
echo "asking again" >&2
echo "the token has expired" >&2
exit 4
"""


def test_a_secret_from_a_vault(place, visitor, tmp_path):
    """Its value is in the process and in no line; a new one is taken up, a client that fails changes nothing."""
    vault, old = tmp_path / "vault", read(place, "secret_key")
    vault.write_text(VAULT)
    vault.chmod(0o755)
    (tmp_path / "token").touch()
    new = secrets.token_urlsafe(64)
    (tmp_path / "key").write_text(f"{new}\n")
    (tmp_path / "before").write_text(f"{old}\n")
    with (place.folder / "stack.env").open("a") as file:
        file.write(f"SECRET_COMMANDS=secret_key: {vault} key; secret_key_fallbacks: {vault} before\n")
    reported = [stacks.tool(place.folder, "up")]
    assert read(place, "secret_key") == new and read(place, "secret_key_fallbacks") == old
    assert is_signed_in(visitor)
    running = place.containers()
    reported.append(stacks.tool(place.folder, "up"))
    assert "nothing had to be restarted" in reported[-1]
    (tmp_path / "token").unlink()
    with pytest.raises(stacks.StackError) as failure:
        stacks.tool(place.folder, "up")
    reported.append(str(failure.value))
    assert f"the command of secret_key, {vault}, failed (exit 4): the token has expired\n" in reported[-1]
    assert place.containers() == running and is_signed_in(visitor)
    kept = [path.read_text() for path in (place.folder / "log").iterdir()] + [
        (place.folder / "audit").read_text()
    ]
    assert new[:9] not in "".join(reported + kept)


def test_half_of_a_pair_is_reported_before_anything_starts(place, visitor):
    before = place.containers()
    (place.folder / "secrets/redis_acl").unlink()
    with pytest.raises(stacks.StackError, match="redis_acl is gone, but its other half is there"):
        stacks.tool(place.folder, "up")
    assert place.containers() == before and is_signed_in(visitor)
