"""A release as Swarm reads it: nothing is lost on the way from compose.yml, and a change reaches only whom it concerns."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

from channels_stack_deploy.config import certificates, secrets, settings  # noqa: E402
from channels_stack_deploy.console import Failure  # noqa: E402
from channels_stack_deploy.paths import Deployment  # noqa: E402
from channels_stack_deploy.registry import service as registry_service  # noqa: E402
from channels_stack_deploy.swarm import render  # noqa: E402

IMAGES = {
    f"{name}_IMAGE": f"image/{name.lower()}:tag"
    for name in ("HTTP", "WS", "WORKER", "EDGE", "REDIS", "DB", "BACKUP", "MONITORING")
}
MEASURED = {"monitoring_node": "two", "monitoring_names": ("host2", "192.0.2.2")}
OPTIONS = render.Options(db_node="one", redis_node="one", **MEASURED)


@pytest.fixture
def made(tmp_path):
    """A function (**settings) -> the release with them."""
    deployment = Deployment(tmp_path)
    secrets.make(deployment)

    def make(name: str = "", options: render.Options = OPTIONS, **given: str) -> render.Release:
        deployment.settings.write_text("".join(f"{key}={value}\n" for key, value in given.items()))
        secrets.make(deployment)
        return render.render(deployment, settings.load(deployment.settings), IMAGES, options, name)

    return make


def services(release: render.Release, part: str = "stack") -> dict[str, dict]:
    """The services of a part without the name of the release."""
    found = json.loads(release.files[f"{part}.json"])["services"]
    for each in found.values():
        each["deploy"].pop("labels")
    return found


@pytest.mark.parametrize(
    "part",
    [
        "stack",
        "data",
        "signing",
        "sockets",
        "trial",
        "first",
        "share",
        "release",
        "static",
        "migrations",
        "pages",
        "traffic",
    ],
)
def test_swarm_takes_every_part(made, part, tmp_path):
    file = tmp_path / "part.json"
    file.write_text(made(BACKUP_REPOSITORY="/srv/backups", MONITORING="on").files[f"{part}.json"])
    done = subprocess.run(
        ["docker", "stack", "config", "-c", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_same_content_is_the_same_release(made):
    assert made().name == made().name
    assert made().name != made(LOG_LEVEL="debug").name
    assert made("1.4.2").name == "1.4.2"


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({"EDGE_MAX_URI_BYTES": "4096"}, set()),
        ({"WS_REPLICAS": "3"}, {"ws"}),
        ({"LOG_LEVEL": "debug"}, {"http", "ws", "worker"}),
        ({"REDIS_MAXMEMORY": "100mb"}, {"redis"}),
        ({"APP_RELEASE_COMMANDS": "check"}, set()),
        (
            {"DEBIAN_MIRROR": "http://debian.test/debian", "BIND_ADDRESS": "0.0.0.0", "DEV_PORT": "8001"},
            set(),
        ),
        ({"CERTIFICATE": "files", "STATIC_PREFIX": "/assets/"}, set()),
        ({"DOMAINS": "a.example.org"}, {"http", "ws", "worker"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_change_touches_only_whom_it_concerns(made, change, touched):
    before, after = services(made()), services(made(**change))
    assert {name for name in after if after[name] != before[name]} == touched


def test_temporary_folders_survive(made):
    """Swarm passes over Compose's short form without a word, and the root file system is read-only."""
    for name, each in services(made()).items():
        targets = {mount["target"] for mount in each["volumes"]}
        assert each["read_only"], name
        assert "/tmp" in targets, f"{name} has no /tmp"
    assert {"/dev/shm", "/var/run/postgresql"} <= {
        mount["target"] for mount in services(made())["db"]["volumes"]
    }


def test_a_secret_is_named_by_its_content_and_its_text_is_in_no_file(made, tmp_path):
    release = made()
    text = (tmp_path / "secrets/db_password").read_text()
    assert not [name for name, file in release.files.items() if text in file]
    names = [each["name"] for each in release.objects]
    (tmp_path / "secrets/secret_key").chmod(0o600)
    (tmp_path / "secrets/secret_key").write_text("another" * 10)
    changed = [each["name"] for each in made().objects]
    assert [old.rpartition("-")[0] for old, new in zip(names, changed, strict=True) if old != new] == [
        "channels-stack_secret_key"
    ]


def test_data_stays_where_its_volume_is(made):
    for name in ("db", "redis"):
        assert services(made())[name]["deploy"]["placement"]["constraints"] == [
            "node.labels.data == true",
            "node.hostname == one",
        ]


def test_a_trial_is_reached_by_no_visitor_and_started_once(made):
    for name, each in services(made(), "trial").items():
        assert name.startswith("trial-") and each["deploy"]["replicas"] == 1
        assert each["deploy"]["restart_policy"] == {"condition": "none"}


def test_networks_are_encrypted_where_wanted(made):
    assert not any(each["encrypted"] for each in made().networks)
    encrypted = made(options=render.Options(db_node="one", redis_node="one", encrypted=True)).networks
    assert all(each["encrypted"] for each in encrypted)
    assert {each["name"]: each["internal"] for each in encrypted} == {
        "channels-stack_public": False,
        "channels-stack_front": True,
        "channels-stack_data": True,
        "channels-stack_out": False,
    }


def test_a_rotation_replaces_pages_and_jobs_first_and_no_data_store(made, tmp_path):
    before = services(made())
    assert set(services(made(), "signing")) == {"http", "worker"}
    new = made("new")
    for name in ("secret_key", "secret_key_fallbacks", "database_url", "redis_url"):
        path = tmp_path / "secrets" / name
        path.chmod(0o600)
        path.write_text("rotated\n")
    rotated = made("new")
    assert services(rotated) == before, "only names of secrets differ"
    names = [json.loads(each.files["stack.json"])["secrets"] for each in (new, rotated)]
    changed = {key for key in names[0] if names[0][key] != names[1][key]}
    assert changed == {"secret_key", "secret_key_fallbacks", "database_url", "redis_url"}
    kept = {key for name in ("db", "redis") for key in map(source, before[name].get("secrets", []))}
    assert not changed & kept


def source(secret: dict | str) -> str:
    """The key of a secret that a service uses."""
    return secret if isinstance(secret, str) else secret["source"]


def test_redis_reads_its_users_from_its_host(made):
    redis = services(made())["redis"]
    assert "secrets" not in redis and "/etc/redis/users/users.acl" in redis["command"]
    assert {"/data", "/etc/redis/users"} <= {mount["target"] for mount in redis["volumes"]}
    assert not any("redis_acl" in each["name"] for each in made().objects)


THREE = render.Options(db_node="one", redis_node="one", redis_nodes=("two", "three"))


def test_three_redis_run_on_a_node_each_alongside_their_sentinels(made):
    release = made(options=THREE, REDIS_NODES="3")
    data = services(release, "data")
    for number, node in (("", "one"), ("-2", "two"), ("-3", "three")):
        for name in (f"redis{number}", f"sentinel{number}"):
            assert f"node.hostname == {node}" in data[name]["deploy"]["placement"]["constraints"]
            assert [mount["source"] for mount in data[name]["volumes"] if mount["target"] == "/data"] == [
                name
            ]
            # What they log in with changes while they run: it lies on their host.
            assert "secrets" not in data[name]
            assert {"/etc/redis/users/users.acl", "/etc/redis/users/redis_nodes"} <= set(
                data[name]["command"]
            )
            assert "/etc/redis/users" in [mount["target"] for mount in data[name]["volumes"]]
    assert not any("redis_acl" in each["name"] or "redis_nodes" in each["name"] for each in release.objects)
    assert not set(data) & set(services(release, "signing"))


def test_three_redis_need_three_nodes(made):
    with pytest.raises(Failure, match="needs three hosts in the group `data`"):
        made(options=render.Options(db_node="one", redis_node="one", redis_nodes=("two",)), REDIS_NODES="3")


def test_data_stores_of_somebody_elses_are_not_rendered(made):
    nowhere = render.Options()
    assert services(made(options=nowhere, REDIS_NODES="0", DB_NODES="0"), "data") == {}
    assert set(services(made(options=nowhere, REDIS_NODES="0", DB_NODES="0"))) == {
        "edge",
        "http",
        "ws",
        "worker",
    }


WITH_OWN = render.Options(db_node="one", redis_node="one", app_redis_node="two")


def test_the_applications_redis_stands_by_its_volume_and_its_clients_read_its_address(made, tmp_path):
    release = made(options=WITH_OWN, APP_REDIS="both", APP_COMMANDS="rq: rq worker")
    own = services(release, "data")["redis-app"]
    assert "node.hostname == two" in own["deploy"]["placement"]["constraints"]
    assert "secrets" not in own and not any("app_redis_acl" in each["name"] for each in release.objects)
    assert {"redis-app", "/srv/channels-stack/redis-app"} <= {mount.get("source") for mount in own["volumes"]}
    assert own["networks"].keys() == {"data"}
    found = services(release)
    for job in render.JOBS:
        found |= services(release, job)
    for name in ("http", "ws", "worker", "rq", *render.JOBS):
        assert "app_redis_url" in map(source, found[name]["secrets"]), name
        assert found[name]["environment"]["APP_REDIS_URL_FILE"] == "/run/secrets/app_redis_url"
    assert "redis-app" not in services(release, "signing")
    elsewhere = made(options=WITH_OWN, APP_REDIS="both", APP_REDIS_MEMORY="1G", APP_COMMANDS="rq: rq worker")
    after = services(elsewhere)
    assert [name for name in after if after[name] != services(release)[name]] == ["redis-app"]


def test_one_of_somebody_elses_is_not_rendered(made, tmp_path):
    (tmp_path / "secrets/app_redis_url").write_text("redis://:secret@cache.example.org:6379/0")
    deployed = made(options=WITH_OWN, APP_REDIS="outside")
    assert "redis-app" not in services(deployed) and "app_redis_url" in map(
        source, services(deployed)["http"]["secrets"]
    )


@pytest.mark.parametrize("part", ["stack", "data"])
def test_swarm_takes_other_data_stores(made, part, tmp_path):
    for number, release in enumerate(
        (
            made(options=THREE, REDIS_NODES="3"),
            made(REDIS_NODES="0"),
            made(options=WITH_OWN, APP_REDIS="cache"),
        )
    ):
        file = tmp_path / f"part-{number}.json"
        file.write_text(release.files[f"{part}.json"])
        done = subprocess.run(
            ["docker", "stack", "config", "-c", str(file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


# Monitoring

KEPT = {"prometheus", "alertmanager"}
EXPORTERS = {"blackbox", "postgres-exporter", "redis-exporter"}


def test_monitoring_adds_services_and_touches_no_other(made):
    before, after = services(made()), services(made(MONITORING="on"))
    assert after.keys() - before.keys() == KEPT | EXPORTERS | {"node-exporter"}
    assert {name: after[name] for name in before} == before


def test_what_prometheus_has_measured_stays_on_its_host(made):
    found = services(made(MONITORING="on"))
    for name in KEPT:
        assert found[name]["deploy"]["placement"]["constraints"] == ["node.hostname == two"]
    for name in EXPORTERS:
        assert found[name]["deploy"]["placement"]["constraints"] == ["node.labels.app == true"]
    node = found["node-exporter"]
    assert node["deploy"]["mode"] == "global" and node["hostname"] == "{{.Node.Hostname}}"
    assert {mount["target"]: mount.get("read_only") for mount in node["volumes"]}["/host"] is True


def test_only_prometheus_is_published_and_its_certificate_is_of_the_authority(made, tmp_path):
    release = made(MONITORING="on", MONITORING_PORT="9443")
    found = services(release)
    assert [name for name, each in found.items() if each.get("ports")] == ["edge", "prometheus"]
    [port] = found["prometheus"]["ports"]
    assert (port["mode"], port["published"], port["target"]) == ("host", 9443, 9090)
    names = certificates.openssl(
        "x509", "-in", str(tmp_path / "tls/monitoring.pem"), "-noout", "-ext", "subjectAltName"
    )
    for name in ("DNS:host2", "IP Address:192.0.2.2", "DNS:localhost"):
        assert name in names
    assert (tmp_path / "tls/monitoring.pem").read_text() not in "".join(release.files.values())
    assert made(MONITORING="on", MONITORING_PORT="9443").name == release.name


def test_what_exporters_reach(made):
    """None is in a network that leads out, and the one on each machine is in none of the application's."""
    found = services(made(MONITORING="on"))
    assert {
        name: set(found[name]["networks"]) - {"monitoring"} for name in [*EXPORTERS, "node-exporter"]
    } == {
        "blackbox": {"front"},
        "postgres-exporter": {"data"},
        "redis-exporter": {"data"},
        "node-exporter": set(),
    }
    for name, each in found.items():
        if name not in KEPT | EXPORTERS | {"node-exporter"}:
            assert "monitoring" not in each["networks"], name
    networks = {each["name"]: each["internal"] for each in made(MONITORING="on").networks}
    assert networks["channels-stack_monitoring"] is True


# The stack's own registry


def own_registry(folder: Path, **changed: object) -> render.Release:
    """It on the node `two`, with what is CHANGED of its options."""
    given = {"stack": "rooms-registry", "node": "two", "address": "192.0.2.7", "port": 5000}
    options = registry_service.Options(**{**given, "login": folder / "registry_login", **changed})
    return registry_service.make(Deployment(folder), "image/registry:tag", options)


def test_the_registry_is_a_service_that_swarm_takes(tmp_path):
    release = own_registry(tmp_path)
    file = tmp_path / "registry.json"
    file.write_text(release.files["registry.json"])
    subprocess.run(["docker", "stack", "config", "-c", str(file)], capture_output=True, check=True)
    [service] = services(release, "registry").values()
    assert service["deploy"]["placement"]["constraints"] == ["node.hostname == two"]
    [port] = service["ports"]
    assert (port["mode"], port["published"], port["target"]) == ("host", 5000, 5000)
    assert {each["mode"] for each in service["secrets"]} == {0o400}
    login = (tmp_path / "registry_login").read_text().strip()
    assert login.partition(":")[2] not in release.files["registry.json"]


def test_the_registry_is_replaced_only_where_it_changed(tmp_path):
    first = own_registry(tmp_path)
    assert own_registry(tmp_path).name == first.name
    assert own_registry(tmp_path, port=5001).name != first.name
    (tmp_path / "registry_login").unlink()
    assert own_registry(tmp_path).name != first.name


def test_this_machine_is_believed_on_one_machine_alone(made):
    """Swarm publishes on every address of a host: strangers would come by the way of its own proxy."""
    with pytest.raises(Failure, match="EDGE_TRUSTED_HOPS=host is for one machine"):
        made(EDGE_TRUSTED_HOPS="10.0.0.1 host")
    assert made(EDGE_TRUSTED_HOPS="10.0.0.1")
