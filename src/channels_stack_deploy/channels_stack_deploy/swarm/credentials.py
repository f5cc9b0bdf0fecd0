"""Who may log in to PostgreSQL and Redis: old and new passwords side by side for as long as both are used.

`accept` makes sure that what the deployment's secrets say is accepted, and takes nothing away; `retire` takes away everything
else, once nothing uses it. Both look first and change only what differs, while the data stores run.

PostgreSQL knows one password for each role. So each password has a login role of its own, `app_<hash>`, which becomes `app` as it
comes in (ALTER ROLE … SET role): whatever it makes belongs to `app`. The role `app` itself then has no password. Redis takes
several passwords for a user; they are in a file of its host, as hashes, for its next start. Three of them: nodes.py.
No password leaves the controller: PostgreSQL gets a SCRAM verifier (RFC 5803), Redis a SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import shlex
import unicodedata
from urllib.parse import unquote, urlsplit

from ..config.rotation import HOSTS, OWNER, outside_host, read
from ..config.secrets import APP_REDIS_ACL, REDIS_ACL, write
from ..config.stores import APPLICATION
from ..console import Failure
from ..paths import Deployment
from .engine import Engine

ITERATIONS = 4096
"""PostgreSQL's own default (scram_iterations)."""

LOGIN = re.compile(rf"{OWNER}_[0-9a-f]{{8}}")
HASH = re.compile(r"\b[0-9a-f]{64}\b")
KEEPER = "redis_keeper"
"""The secret of Redis's user `keeper`, which may change who logs in and nothing else. It stays on the controller."""

KEEPER_RULES = "resetkeys resetchannels -@all +acl|setuser +acl|getuser +config|set"
"""The last is for what three Redis log in to each other with; who may set users may do anything anyway."""

RULES = {"redis": (REDIS_ACL, "app"), "app_redis": (APP_REDIS_ACL, "default")}
"""Kind of a Redis -> the rules of its users, and who of them is the application."""

REDIS_USER, REDIS_PORT = 999, 6379


# --- PostgreSQL -----------------------------------------------------------------------------------


def logins(engine: Engine, deployment: Deployment, *, final: bool, check: bool) -> list[str]:
    """Let PostgreSQL on this host accept the deployment's database_url, and with FINAL nothing else; what was changed."""
    url = urlsplit(read(deployment, "database_url"))
    user, password = unquote(url.username or ""), unquote(url.password or "")
    container = running(engine, "db")
    # Where it is not made yet, its first start makes the role.
    if not container or outside_host(deployment, "db") or not (user == OWNER or LOGIN.fullmatch(user)):
        return []
    known = roles(engine, container)
    changes = []
    if not verifies(known.get(user, ""), password):
        changes.append((f"{user} accepted", granted(user, password, known)))
    if final:
        for name in sorted(set(known) - {user, OWNER}):
            changes.append((f"{name} removed", removed(name)))
        if user != OWNER and known.get(OWNER):
            changes.append((f"password of {OWNER} removed", [f'ALTER ROLE "{OWNER}" PASSWORD NULL']))
    if not check:
        for _, statements in changes:
            sql(engine, container, *statements)
    return [what for what, _ in changes]


def roles(engine: Engine, container: str) -> dict[str, str]:
    """The role `app` and login roles made here, with their verifiers ("" where one has no password)."""
    answer = sql(
        engine,
        container,
        f"SELECT rolname, coalesce(rolpassword, '') FROM pg_authid WHERE rolname ~ '^{OWNER}(_[0-9a-f]{{8}})?$'",
    )
    return dict(line.split("|", 1) for line in answer.splitlines())


def granted(user: str, password: str, known: dict[str, str]) -> list[str]:
    """Statements that let USER in with PASSWORD."""
    verifier = scram(password)
    if user in known:
        return [f"ALTER ROLE \"{user}\" LOGIN PASSWORD '{verifier}'"]
    return [
        # A superuser as the owner is: the last connections are reserved for those.
        f'CREATE ROLE "{user}" LOGIN SUPERUSER IN ROLE "{OWNER}" PASSWORD \'{verifier}\'',
        # What an operator has set for the owner is in effect for whom it lets in, not for whom one becomes.
        f"""DO $$ DECLARE line record; BEGIN
              FOR line IN SELECT d.datname, split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
                FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c
                WHERE s.setrole = '"{OWNER}"'::regrole
              LOOP
                EXECUTE format('ALTER ROLE "{user}" %s SET %I = %L',
                  CASE WHEN line.datname IS NULL THEN '' ELSE format('IN DATABASE %I', line.datname) END, line.name, line.value);
              END LOOP; END $$""",
        f"ALTER ROLE \"{user}\" SET role = '{OWNER}'",
    ]


def removed(user: str) -> list[str]:
    """Statements that remove the login role USER; what it should own belongs to the owner."""
    return [
        f'ALTER ROLE "{user}" NOLOGIN',
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'",
        f'REASSIGN OWNED BY "{user}" TO "{OWNER}"',
        f'DROP OWNED BY "{user}"',
        f'DROP ROLE "{user}"',
    ]


def sql(engine: Engine, container: str, *statements: str) -> str:
    """Run STATEMENTS in one transaction, inside the container, where the owner needs no password."""
    command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-1", "-U", OWNER, "-d", OWNER, "-f", "-"]
    # A statement that fails would be in the server's log, with its verifier.
    text = "SET log_min_error_statement = panic;\n" + "".join(f"{each};\n" for each in statements)
    return engine.docker("exec", "-i", container, *command, given=text)


def scram(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """PASSWORD as PostgreSQL keeps it (RFC 5803)."""
    salt = salt or secrets.token_bytes(16)
    # SASLprep, as far as it concerns what people type: passwords made here are ASCII, which stays as it is.
    prepared = unicodedata.normalize("NFKC", password).encode()
    salted = hashlib.pbkdf2_hmac("sha256", prepared, salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(each).decode() for each in (salt, hashlib.sha256(client).digest(), server)]
    return f"SCRAM-SHA-256${iterations}:{parts[0]}${parts[1]}:{parts[2]}"


def verifies(verifier: str, password: str) -> bool:
    """Whether VERIFIER is one of PASSWORD."""
    match = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([^$]+)\$.*", verifier)
    if not match:
        return False
    return hmac.compare_digest(scram(password, base64.b64decode(match[2]), int(match[1])), verifier)


# --- Redis ----------------------------------------------------------------------------------------


def users(
    engine: Engine, deployment: Deployment, path: str, *, final: bool, check: bool, node: str = "redis"
) -> list[str]:
    """Let the Redis on this host accept the deployment's address of it, and with FINAL nothing else; what was changed.

    PATH is the file, on this host, that Redis reads at its start; NODE its service: the application's own or one of the layers'.
    """
    kind = "app_redis" if node == APPLICATION else "redis"
    password = redis_password(deployment, kind)
    if not password or outside_host(deployment, kind):
        return []
    if not check:
        write(deployment.secrets / KEEPER, secrets.token_urlsafe(32))
    keeper = read(deployment, KEEPER)
    container = running(engine, node)
    alive = (
        hashes(ask(engine, container, ("keeper", keeper), f"ACL GETUSER {RULES[kind][1]}"))
        if container
        else set()
    )
    wanted = {digest(password)} if final else {digest(password)} | alive
    text = rules(wanted, keeper, kind)
    code, before, _ = engine.run(shlex.join(["cat", path]), "")
    changed = []
    if container and final and not alive:
        raise Failure(
            f"the running Redis does not know secrets/{KEEPER}, so its passwords cannot be changed. It reads them at its start: "
            f"docker service update --force {engine.stack}_{node}"
        )
    if alive and (alive != wanted or before != text):
        if not check:
            ask(engine, container, ("keeper", keeper), *map(change, text.splitlines()))
        changed.append(f"{len(wanted - alive)} passwords accepted, {len(alive - wanted)} removed")
    if code or before != text:
        if not check:
            put(engine, path, text)
        changed.append(f"{path} written")
    return changed


def redis_password(deployment: Deployment, kind: str = "redis") -> str:
    """The application's, "" where there is none."""
    return unquote(urlsplit(read(deployment, HOSTS[kind])).password or "")


def digest(password: str) -> str:
    """PASSWORD as Redis keeps it."""
    return hashlib.sha256(password.encode()).hexdigest()


def hashes(user: str) -> set[str]:
    """The password hashes in USER, the answer of ACL GETUSER."""
    return set(HASH.findall(user))


def words(passwords: set[str]) -> str:
    """The hashes PASSWORDS as a user's rules hold them."""
    return " ".join(f"#{each}" for each in sorted(passwords))


def rules(passwords: set[str], keeper: str, kind: str = "redis") -> str:
    """The users of a Redis of this KIND, with the hashes PASSWORDS for the application."""
    text = RULES[kind][0].read_text().replace(">{password}", words(passwords))
    return text + f"user keeper on #{digest(keeper)} {KEEPER_RULES}\n"


def change(line: str) -> str:
    """The command that lets a user be what LINE of the file says; Redis applies it as a whole."""
    name, _, rest = line.removeprefix("user ").partition(" ")
    return f"ACL SETUSER {name} reset {rest}"


def ask(
    engine: Engine, container: str, login: tuple[str, str], *commands: str, port: int = REDIS_PORT
) -> str:
    """What Redis answers to COMMANDS of LOGIN, user and password; "" where it refuses that, Failure where one of them."""
    given = "".join(f"{line}\n" for line in (f"AUTH {' '.join(login)}", *commands))
    command = ["redis-cli", "-p", str(port), "--no-auth-warning"]
    answer = engine.docker("exec", "-i", container, *command, given=given)
    first, _, rest = answer.partition("\n")
    if first != "OK":
        return ""
    if refused := re.search(r"^(ERR|NOPERM|NOAUTH)\b.*", rest, re.MULTILINE):
        raise Failure(f"Redis refuses a change of who logs in: {refused[0]}")
    return rest


def put(engine: Engine, path: str, text: str) -> None:
    """Write the file PATH of this host in one step, for Redis alone."""
    owner = ["--owner", str(REDIS_USER), "--group", str(REDIS_USER)]
    for command, given in (
        (["install", "--directory", "--mode", "0700", *owner, os.path.dirname(path)], ""),
        (["install", "--mode", "0400", *owner, "/dev/stdin", path + ".new"], text),
        (["mv", path + ".new", path], ""),
    ):
        code, _, complaint = engine.run(shlex.join(command), given)
        if code:
            raise Failure(f"{path} cannot be written: {complaint.strip()}")


# --- Both -----------------------------------------------------------------------------------------


def running(engine: Engine, service: str) -> str:
    """The healthy container of SERVICE on this host, "" where there is none."""
    name = f"label=com.docker.swarm.service.name={engine.stack}_{service}"
    found = engine.docker("ps", "--quiet", "--filter", name, "--filter", "health=healthy").split()
    return found[0] if found else ""
