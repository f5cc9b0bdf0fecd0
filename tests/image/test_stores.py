"""Rotated logins on the real data stores: old and new beside each other, then the new ones alone, and nothing restarted.

The engine is this machine's; the containers bear the label that Swarm gives to a service's.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .conftest import IMAGES, Container, Yard, wait_for  # isort: split

from channels_stack_deploy.config import rotation, secrets
from channels_stack_deploy.console import Failure
from channels_stack_deploy.paths import Deployment
from channels_stack_deploy.swarm import credentials
from channels_stack_deploy.swarm.engine import Engine


@pytest.fixture(scope="module")
def deployment(tmp_path_factory) -> Deployment:
    deployment = Deployment(tmp_path_factory.mktemp("environment"))
    secrets.make(deployment)
    return deployment


def label(yard: Yard, service: str) -> str:
    return f"--label=com.docker.swarm.service.name={yard.name}_{service}"


# --- PostgreSQL -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def db(yard: Yard, db_image: str, deployment: Deployment) -> Container:
    """As the stack starts it."""
    (deployment.secrets / "db_password").chmod(0o444)
    flags = [
        label(yard, "db"),
        "--env=POSTGRES_USER=app",
        "--env=POSTGRES_DB=app",
        "--env=POSTGRES_PASSWORD_FILE=/run/secrets/db_password",
        "--user=999:999",
        f"--volume={deployment.secrets}/db_password:/run/secrets/db_password:ro",
        f"--volume={yard.volume()}:/var/lib/postgresql/data",
        "--tmpfs=/tmp",
        "--tmpfs=/var/run/postgresql:uid=999,gid=999,mode=0700",
    ]
    container = yard.start(db_image, flags=flags)
    wait_for(lambda: container.health() == "healthy", "PostgreSQL is healthy", 60)
    return container


def sql(db: Container, url: str, statement: str) -> str:
    """The answer over TCP with the login of URL; "refused" where it is."""
    parts = urlsplit(url)
    command = ["psql", "-XAtq", "-h", "127.0.0.1", "-U", parts.username, "-d", "app", "-c", statement]
    done = db.run(*command, env={"PGPASSWORD": parts.password}, check=False)
    if done.returncode:
        assert "password authentication failed" in done.stderr, done.stderr
        return "refused"
    return done.stdout.strip()


def test_postgresql_accepts_both_and_then_the_new_one(engine, deployment, db):
    old = rotation.read(deployment, "database_url")
    assert credentials.logins(engine, deployment, final=True, check=False) == [], (
        "the first login is as it should be"
    )
    sql(db, old, "CREATE TABLE before (id int); INSERT INTO before VALUES (1)")
    sql(db, old, "ALTER ROLE app SET statement_timeout = '77s'")
    rotation.begin(deployment, ["db"])
    rotation.switch(deployment)
    new = rotation.read(deployment, "database_url")
    assert (
        credentials.logins(engine, deployment, final=False, check=True)
        and sql(db, new, "SELECT 1") == "refused"
    )
    assert credentials.logins(engine, deployment, final=False, check=False)
    assert credentials.logins(engine, deployment, final=False, check=False) == []
    assert sql(db, old, "SELECT 1") == sql(db, new, "SELECT 1") == "1"

    # To the application nothing is different: it owns everything, whoever made it.
    assert sql(db, new, "SELECT current_user") == "app"
    assert sql(db, new, "SHOW statement_timeout") == "77s"
    sql(
        db,
        new,
        "INSERT INTO before VALUES (2); CREATE TABLE after (id int); ALTER TABLE before ADD COLUMN text text",
    )
    sql(db, old, "INSERT INTO after VALUES (1); DROP TABLE before")
    assert sql(db, new, "SELECT tableowner FROM pg_tables WHERE tablename = 'after'") == "app"

    assert credentials.logins(engine, deployment, final=True, check=False)
    assert credentials.logins(engine, deployment, final=True, check=False) == []
    assert sql(db, old, "SELECT 1") == "refused"
    assert sql(db, new, "SELECT count(*) FROM after") == "1"
    assert rotation.end(deployment) and not rotation.end(deployment)


def test_postgresql_again(engine, deployment, db):
    """From a login that was made here to another one, which leaves no role behind; what the old one owns stays."""
    old = rotation.read(deployment, "database_url")
    sql(
        db,
        old,
        f"SET ROLE none; CREATE TABLE mine (id int); ALTER TABLE mine OWNER TO {urlsplit(old).username}",
    )
    rotation.begin(deployment, ["db"])
    rotation.switch(deployment)
    credentials.logins(engine, deployment, final=False, check=False)
    credentials.logins(engine, deployment, final=True, check=False)
    new = rotation.read(deployment, "database_url")
    assert sql(db, old, "SELECT 1") == "refused"
    assert sql(db, new, "SELECT rolname FROM pg_roles WHERE rolname ~ '^app' ORDER BY 1").splitlines() == [
        "app",
        urlsplit(new).username,
    ]
    assert sql(db, new, "SELECT tableowner FROM pg_tables WHERE tablename = 'mine'") == "app"
    assert rotation.end(deployment)


def test_postgresql_heals_after_a_restore(engine, deployment, db):
    """A backup knows none of the newer logins, and a restore gives the owner its first password back."""
    url = rotation.read(deployment, "database_url")
    user = urlsplit(url).username
    credentials.sql(engine, db.name, *credentials.removed(user), "ALTER ROLE app PASSWORD 'of the backup'")
    assert sql(db, url, "SELECT 1") == "refused"
    credentials.logins(engine, deployment, final=True, check=False)
    assert sql(db, url, "SELECT 1") == "1"
    assert sql(db, "postgresql://app:of%20the%20backup@db/app", "SELECT 1") == "refused"


@pytest.mark.parametrize("password", ["plain", "gr\u00fc\u00df' \"dich", "\u212b u\u0308 \ufb01"])
def test_the_verifier_is_postgresqls_own(engine, db, password):
    """Whatever characters an operator has chosen."""
    quoted = password.replace("'", "''")
    statement = f"CREATE ROLE somebody PASSWORD '{quoted}'; SELECT rolpassword FROM pg_authid WHERE rolname = 'somebody'"
    verifier = credentials.sql(engine, db.name, f"{statement}; DROP ROLE somebody").strip()
    assert credentials.verifies(verifier, password) and not credentials.verifies(verifier, password + "x")


def test_no_verifier_stands_in_the_log(engine, deployment, db):
    with pytest.raises(Failure):
        credentials.sql(engine, db.name, "ALTER ROLE nobody PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$a:b'")
    assert "SCRAM-SHA-256" not in db.says('role "nobody" does not exist')


# --- Redis ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis(
    yard: Yard, redis_image: str, engine: Engine, deployment: Deployment, tmp_path_factory
) -> Container:
    """As Swarm starts it, with the file that was written for its first start."""
    return start(yard, redis_image, engine, deployment, tmp_path_factory.mktemp("users"), "redis")


def start(
    yard: Yard, image: str, engine: Engine, deployment: Deployment, folder: Path, service: str
) -> Container:
    """SERVICE as Swarm starts it, its users in FOLDER."""
    credentials.users(engine, deployment, f"{folder}/users.acl", final=False, check=False, node=service)
    (folder / "users.acl").chmod(0o444)
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    folder.parent.parent.chmod(0o755)
    flags = [
        label(yard, service),
        "--user=999:999",
        f"--volume={IMAGES}/redis/redis.conf:/etc/redis/redis.conf:ro",
        f"--volume={folder}:/etc/redis/users:ro",
        f"--volume={yard.volume()}:/data",
        "--tmpfs=/tmp",
    ]
    command = ["redis-server", "/etc/redis/redis.conf", "--aclfile", "/etc/redis/users/users.acl"]
    container = yard.start(image, *command, flags=flags)
    container.users = folder / "users.acl"
    wait_for(lambda: container.health() == "healthy", "Redis is healthy", 30)
    return container


def ask(redis: Container, url: str, *command: str) -> str:
    """The answer with the login of URL."""
    parts = urlsplit(url)
    login = ["--no-auth-warning", "--user", parts.username, "--pass", parts.password]
    return redis.run("redis-cli", *login, *command, check=False).stdout.strip()


def test_redis_accepts_both_and_then_the_new_one(engine, deployment, redis):
    old, path = rotation.read(deployment, "redis_url"), str(redis.users)
    assert credentials.users(engine, deployment, path, final=True, check=False) == []
    rotation.begin(deployment, ["redis"])
    rotation.switch(deployment)
    new = rotation.read(deployment, "redis_url")
    assert credentials.users(engine, deployment, path, final=False, check=True) and "NOAUTH" in ask(
        redis, new, "PING"
    )
    listener = subprocess.Popen(
        [
            "docker",
            "exec",
            "-i",
            redis.name,
            "redis-cli",
            "--no-auth-warning",
            "-u",
            old.replace("@redis:", "@127.0.0.1:"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    listener.stdin.write("SUBSCRIBE room\n")
    listener.stdin.flush()
    wait_for(lambda: ask(redis, old, "PUBLISH", "room", "first") == "1", "somebody listens")
    assert credentials.users(engine, deployment, path, final=False, check=False)
    assert credentials.users(engine, deployment, path, final=False, check=False) == []
    assert ask(redis, old, "PING") == ask(redis, new, "PING") == "PONG"
    assert credentials.users(engine, deployment, path, final=True, check=False)
    assert credentials.users(engine, deployment, path, final=True, check=False) == []
    assert "NOAUTH" in ask(redis, old, "PING")
    assert ask(redis, new, "PUBLISH", "room", "last") == "1", "the listener was cut"
    listener.kill()
    assert "first" in listener.stdout.read()
    assert "NOPERM" in ask(redis, new, "ACL", "LIST")
    assert rotation.end(deployment)


def test_redis_knows_them_after_a_restart(engine, deployment, redis):
    redis.users.chmod(0o444)
    subprocess.run(["docker", "restart", redis.name], check=True, capture_output=True)
    wait_for(lambda: redis.health() == "healthy", "Redis is healthy", 30)
    assert ask(redis, rotation.read(deployment, "redis_url"), "PING") == "PONG"
    assert (
        rotation.read(deployment, "redis_url").split(":")[2].partition("@")[0] not in redis.users.read_text()
    )


def test_new_rules_are_taken_up_while_it_runs(engine, deployment, redis, tmp_path, monkeypatch):
    template = tmp_path / "users.acl.template"
    template.write_text(credentials.REDIS_ACL.read_text().replace(" +publish", ""))
    url = rotation.read(deployment, "redis_url")
    monkeypatch.setitem(credentials.RULES, "redis", (template, "app"))
    credentials.users(engine, deployment, str(redis.users), final=False, check=False)
    assert "NOPERM" in ask(redis, url, "PUBLISH", "room", "x")
    monkeypatch.undo()
    credentials.users(engine, deployment, str(redis.users), final=False, check=False)
    assert ask(redis, url, "PUBLISH", "room", "x") == "0"


def test_the_applications_own_redis_accepts_both_and_then_the_new_one(
    yard, redis_image, engine, deployment, tmp_path_factory
):
    """Its user has no name: with the password alone a client comes in."""
    deployment.settings.write_text("APP_REDIS=both\n")
    secrets.make(deployment)
    assert "app_redis" in rotation.chosen(deployment, "")
    folder = tmp_path_factory.mktemp("own-users")
    own = start(yard, redis_image, engine, deployment, folder, "redis-app")

    def answer(url: str) -> str:
        login = ["--no-auth-warning", "--pass", urlsplit(url).password]
        return own.run("redis-cli", *login, "PING", check=False).stdout.strip()

    def told(*, final: bool) -> list[str]:
        path = str(folder / "users.acl")
        return credentials.users(engine, deployment, path, final=final, check=False, node="redis-app")

    old = rotation.read(deployment, "app_redis_url")
    assert told(final=True) == [] and answer(old) == "PONG"
    rotation.begin(deployment, ["app_redis"])
    rotation.switch(deployment)
    new = rotation.read(deployment, "app_redis_url")
    assert urlsplit(new).username == "" and new != old
    assert told(final=False) and answer(old) == answer(new) == "PONG"
    assert told(final=True) and told(final=True) == []
    assert answer(new) == "PONG" and "NOAUTH" in answer(old)
    assert urlsplit(new).password in rotation.read(deployment, "app_redis_acl")
    assert rotation.end(deployment)


def test_a_lost_keeper_is_reported_with_the_fix(engine, deployment, redis):
    path = deployment.secrets / credentials.KEEPER
    kept = path.read_text()
    rotation.put(deployment, credentials.KEEPER, "another")
    with pytest.raises(Failure, match="docker service update --force"):
        credentials.users(engine, deployment, str(redis.users), final=True, check=False)
    rotation.put(deployment, credentials.KEEPER, kept)


# --- The files ------------------------------------------------------------------------------------


def test_each_step_of_a_new_key_leaves_files_that_work(tmp_path):
    """Killed after each single write: what is signed with the old or the new key is read by every process, before and after."""
    deployment = Deployment(tmp_path)
    secrets.make(deployment)
    old = rotation.read(deployment, "secret_key")
    known = {"start": {old}}
    new = rotation.begin(deployment, ["secret_key"])["secret_key"]

    def accepted() -> set[str]:
        return {
            rotation.read(deployment, "secret_key"),
            *rotation.read(deployment, "secret_key_fallbacks").split(),
        }

    known["begun"] = accepted()
    assert rotation.read(deployment, "secret_key") == old and known["begun"] == {old, new}
    writes, real = [], rotation.replace

    def watched(path, text):
        real(path, text)
        writes.append((path.name, accepted()))

    rotation.replace = watched
    try:
        rotation.switch(deployment)
    finally:
        rotation.replace = real
    assert writes and all(each == {old, new} for _, each in writes), writes
    assert rotation.read(deployment, "secret_key") == new
    assert rotation.read(deployment, "secret_key_fallbacks") == old
    rotation.switch(deployment)
    assert rotation.read(deployment, "secret_key_fallbacks") == old
    assert rotation.end(deployment)


def test_a_rotation_that_was_begun_is_gone_on_with(tmp_path):
    deployment = Deployment(tmp_path)
    secrets.make(deployment)
    first = rotation.begin(deployment, ["secret_key", "db", "redis"])
    assert rotation.begin(deployment, ["db"]) == first
    assert not rotation.end(deployment), "nothing of it is in force"
    rotation.switch(deployment)
    assert rotation.end(deployment)
    assert json.dumps(rotation.begun(deployment)) == "{}"
    assert (tmp_path / "secrets/redis_acl").read_text().count(first["redis"]) == 1


def test_three_redis_get_a_new_password_among_themselves_as_well(tmp_path):
    """Until it is in force the old one is kept beside it: who is told of the new one is logged in to with the old one."""
    deployment = Deployment(tmp_path)
    deployment.settings.write_text("REDIS_NODES=3\n")
    secrets.make(deployment)
    old, url = rotation.read(deployment, "redis_nodes"), rotation.read(deployment, "redis_url")
    assert rotation.chosen(deployment, "") == ["secret_key", "db", "redis"]
    new = rotation.begin(deployment, ["redis"])
    assert rotation.read(deployment, "redis_nodes") == old and not rotation.switched(deployment)
    rotation.switch(deployment)
    rotation.switch(deployment)
    assert rotation.read(deployment, "redis_nodes") == f"{new['redis_nodes']} {old}"
    assert rotation.read(deployment, "redis_url") == url.replace(urlsplit(url).password, new["redis"])
    assert rotation.switched(deployment) and rotation.end(deployment)
    assert rotation.read(deployment, "redis_nodes") == new["redis_nodes"]


def test_what_is_not_the_stacks_is_not_rotated(tmp_path):
    deployment = Deployment(tmp_path)
    secrets.make(deployment)
    rotation.put(
        deployment, "database_url", "postgresql://me:secret@db.example.org/rooms?sslmode=verify-full"
    )
    assert rotation.chosen(deployment, "") == ["secret_key", "redis"]
    with pytest.raises(Failure, match=r"database_url leads to db\.example\.org"):
        rotation.chosen(deployment, "db")
    rotation.put(
        deployment, "redis_url", "redis+sentinel://app:secret@one.example.org,two.example.org/redis/0"
    )
    assert rotation.chosen(deployment, "") == ["secret_key"]
    with pytest.raises(Failure, match=r"redis_url leads to one\.example\.org"):
        rotation.chosen(deployment, "redis")
    with pytest.raises(
        Failure, match="what=tls is no secret to rotate; there are: secret_key, db, redis, app_redis"
    ):
        rotation.chosen(deployment, "secret_key,tls")
    with pytest.raises(Failure, match="app_redis: the application has no Redis of its own here"):
        rotation.chosen(deployment, "app_redis")
