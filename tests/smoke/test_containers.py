"""What every container may do and hold: user, rights, limits, secrets."""

import json
import shlex
import subprocess
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.containers

SERVICES = ("edge", "http", "ws", "worker", "redis", "db")
USERS = {"edge": 10001, "http": 10001, "ws": 10001, "worker": 10001, "redis": 999, "db": 999}
"""User and group id of every process of a service."""

APPLICATION_SECRETS = {"secret_key", "secret_key_fallbacks", "database_url", "redis_url", "data_ca"}
SECRETS = {
    "edge": set(),
    "http": APPLICATION_SECRETS,
    "ws": APPLICATION_SECRETS,
    "worker": APPLICATION_SECRETS,
    "redis": {"redis_acl"},
    "db": {"db_password"},
}
"""Files below /run/secrets, exactly."""

WRITABLE = {
    "edge": {"/tmp"},
    "http": {"/tmp", "/srv/static", "/srv/media"},
    "ws": {"/tmp", "/srv/static", "/srv/media"},
    "worker": {"/tmp", "/srv/static", "/srv/media"},
    "redis": {"/tmp", "/data"},
    "db": {"/tmp", "/var/run/postgresql", "/var/lib/postgresql/data"},
}
"""Where a container may write: its volumes and its memory file systems, exactly."""

every_service = pytest.mark.parametrize("service", SERVICES)


@pytest.fixture
def inspected(container, service):
    """What the engine knows of the service's first container."""
    return container(service).inspected


@pytest.fixture
def limits(inspected):
    """HostConfig of the service's first container."""
    return inspected["HostConfig"]


def test_services_are_exactly_these(containers):
    assert {each.inspected["Config"]["Labels"]["com.docker.compose.service"] for each in containers()} == set(
        SERVICES
    )


@every_service
def test_every_process_runs_as_its_user(container, service):
    ids = {
        (each["Name"], *each["Uid"].split(), *each["Gid"].split()) for each in container(service).processes()
    }
    wrong = {each for each in ids if set(each[1:]) != {str(USERS[service])}}
    assert ids and not wrong, wrong


@every_service
@pytest.mark.parametrize("kind", ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
def test_no_process_has_a_capability(container, service, kind):
    held = {each["Name"]: each[kind] for each in container(service).processes()}
    assert held and set(held.values()) == {"0" * 16}, held


@every_service
def test_no_process_can_gain_privileges(container, service):
    assert {each["NoNewPrivs"] for each in container(service).processes()} == {"1"}


@every_service
def test_container_is_not_privileged(limits):
    assert (limits["Privileged"], limits["CapDrop"], limits["CapAdd"]) == (False, ["ALL"], None)


@every_service
def test_root_file_system_is_read_only(container, service, limits):
    assert limits["ReadonlyRootfs"]
    done = container(service).inside.run("touch /usr/proof /etc/proof /srv/proof")
    assert done.rc != 0 and done.stderr.count("Read-only file system") >= 2, done.stderr


@every_service
def test_writable_places_are_exactly_these(service, inspected):
    volumes = {each["Destination"] for each in inspected["Mounts"] if each["RW"] and each["Type"] == "volume"}
    assert volumes | set(inspected["HostConfig"]["Tmpfs"] or {}) == WRITABLE[service]


@every_service
def test_nothing_of_the_host_is_mounted_writable(inspected):
    # Secrets and configurations are single files of the host; Compose mounts those of secrets without "ro".
    bound = [each["Destination"] for each in inspected["Mounts"] if each["Type"] == "bind" and each["RW"]]
    assert [path for path in bound if not path.startswith("/run/secrets/")] == []


@every_service
@pytest.mark.parametrize("limit", ["Memory", "NanoCpus", "PidsLimit"])
def test_resources_are_limited(limits, limit):
    assert (limits[limit] or 0) > 0


@every_service
def test_comes_back_after_a_crash_or_a_reboot(limits):
    assert limits["RestartPolicy"]["Name"] == "unless-stopped"


@every_service
def test_log_is_rotated(limits):
    options = limits["LogConfig"]["Config"]
    assert limits["LogConfig"]["Type"] == "json-file" and {"max-size", "max-file"} <= options.keys(), limits[
        "LogConfig"
    ]


@every_service
def test_first_process_is_an_init(container, service, limits):
    first = {each["Pid"]: each["Name"] for each in container(service).processes()}["1"]
    assert limits["Init"] and first in ("docker-init", "tini"), first


@every_service
def test_health_check_runs(inspected):
    assert inspected["Config"]["Healthcheck"]["Test"][0] in ("CMD", "CMD-SHELL")
    assert inspected["State"]["Health"]["Status"] == "healthy"


@every_service
def test_stop_time_is_set_on_purpose(inspected):
    assert inspected["Config"]["StopTimeout"] >= 20


@every_service
def test_secrets_are_exactly_these(container, service):
    assert set(container(service).run("ls /run/secrets || true").split()) == SECRETS[service]


@pytest.mark.parametrize(
    ("service", "name"), [(service, name) for service in SERVICES for name in sorted(SECRETS[service])]
)
def test_secret_is_readable_by_its_service_alone(container, service, name):
    file = container(service).file(f"/run/secrets/{name}")
    assert (oct(file.mode), file.uid) == ("0o400", USERS[service])


@pytest.fixture(scope="session")
def secrets(stack):
    """Every secret text of the stack: no other place than its files may hold one."""
    found = {stack.password}
    for service, names in SECRETS.items():
        for name in names:
            container = stack.containers(service)[0]
            text = subprocess.run(
                ["docker", "exec", container, "cat", f"/run/secrets/{name}"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            found.add(urlsplit(text).password if name.endswith("_url") else text)
    # Redis' access file holds its password behind ">" among other words.
    words = {word.lstrip(">") for text in found for word in shlex.split(text or "")}
    return {word for word in words if len(word) >= 16}


def leaked(secrets, text):
    """The first letters of each secret that TEXT holds: a failing test must not print them all."""
    return [secret[:4] + "…" for secret in secrets if secret in text]


def test_secrets_are_found(secrets):
    # demo password, secret key, password of PostgreSQL, password of Redis: else the tests below prove nothing.
    assert len(secrets) >= 4


@every_service
def test_no_secret_in_what_the_engine_shows(inspected, secrets):
    assert leaked(secrets, json.dumps(inspected)) == []


@every_service
def test_no_secret_in_an_environment(container, service, secrets):
    environments = container(service).run("cat /proc/[0-9]*/environ 2>/dev/null; true")
    assert "PATH=" in environments and leaked(secrets, environments) == []


@every_service
def test_no_secret_on_a_command_line(container, service, secrets):
    lines = container(service).run("cat /proc/[0-9]*/cmdline 2>/dev/null; true")
    assert lines and leaked(secrets, lines) == []


@every_service
def test_no_secret_in_the_image(inspected, secrets):
    shown = subprocess.run(
        ["docker", "history", "--no-trunc", "--format", "{{.CreatedBy}} {{.Comment}}", inspected["Image"]],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown and leaked(secrets, shown) == []


@pytest.mark.looks_back
@every_service
def test_nothing_crashed(containers, service):
    ends = {
        each.name: (each.inspected["RestartCount"], each.inspected["State"]["OOMKilled"])
        for each in containers(service)
    }
    assert set(ends.values()) == {(0, False)}, ends
