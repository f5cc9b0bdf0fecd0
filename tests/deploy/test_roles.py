"""What can be said of the roles without a host: that their manuals, arguments and defaults agree, and what preflight tells."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import host as host_filters
import preflight
import pytest
import yaml
from stacks import ROOT

from channels_stack_deploy.build import packages
from channels_stack_deploy.config import services
from channels_stack_deploy.swarm import variables

ROLES = ROOT / "ansible/roles"
PLUGINS = ROOT / "ansible/collections/ansible_collections/channels_stack/deploy/plugins"
NAMES = sorted(path.name for path in ROLES.iterdir() if path.is_dir())
TYPES = {"bool": bool, "int": int, "float": (int, float), "str": str, "path": str, "list": list, "dict": dict}


def defaults(role: str) -> dict:
    return yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())


def options(role: str) -> dict:
    return yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"][
        "options"
    ]


@pytest.mark.parametrize("role", NAMES)
def test_arguments_are_the_defaults(role):
    required = {name for name, option in options(role).items() if option.get("required")}
    assert set(options(role)) - required == set(defaults(role))


@pytest.mark.parametrize("role", NAMES)
def test_every_variable_bears_the_name_of_its_role(role):
    assert [name for name in options(role) if not name.startswith(f"{role}_")] == []


@pytest.mark.parametrize(
    ("role", "name"), [(role, name) for role in NAMES for name in defaults(role)], ids=lambda value: value
)
def test_a_default_has_the_type_of_its_argument(role, name):
    value, wanted = defaults(role)[name], options(role)[name]["type"]
    # A computed value is compared with the arguments by Ansible itself, on every run.
    computed = isinstance(value, str) and "{{" in value
    assert computed or isinstance(value, TYPES[wanted])


@pytest.mark.parametrize("role", NAMES)
def test_every_variable_has_a_comment_above_it(role):
    lines = (ROLES / role / "defaults/main.yml").read_text().splitlines()
    bare = [
        line
        for above, line in itertools.pairwise(lines)
        # A variable of two parts stands directly below its first part.
        if re.match(r"[a-z_]+:", line) and not above.startswith("#") and not re.match(r"\s|[a-z]", above)
    ]
    assert bare == []


@pytest.mark.parametrize("role", NAMES)
def test_the_readme_says_what_a_second_run_does(role):
    assert "\n## Idempotence\n" in (ROLES / role / "README.md").read_text()


@pytest.mark.parametrize("name", ["host_edge_ports", "preflight_edge_ports"])
def test_ports_of_an_edge_are_those_of_the_stack(name):
    example = (ROOT / "compose/stack.env.example").read_text()
    ports = [re.search(rf"^#?{key}=(\d+)$", example, re.M)[1] for key in ("HTTP_PORT", "HTTPS_PORT")]
    written = defaults(name.partition("_")[0])[name]
    assert [re.search(r"default\((\d+)\)", text)[1] for text in written] == ports


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_the_example_inventories_pass_their_own_check(environment):
    folder = ROOT / "ansible/inventory" / environment
    groups = {
        name: list(group["hosts"])
        for name, group in yaml.safe_load((folder / "hosts.yml").read_text()).items()
    }
    given = yaml.safe_load((folder / "group_vars/all.yml").read_text())
    groups["all"] = sorted({host for hosts in groups.values() for host in hosts})
    variables = dict.fromkeys(groups["all"], given)
    assert preflight.inventory_problems(groups, variables, str(ROLES)) == []


def stores(hosts: list[str], **settings: object) -> list[str]:
    """What preflight tells of the group `data` with HOSTS."""
    groups = {"all": ["a", "b", "c"], "edge": ["a"], "app": ["a", "b", "c"], "data": hosts}
    variables = {host: {"ansible_host": host, "stack_settings": settings} for host in groups["all"]}
    return preflight.inventory_problems(groups, variables, str(ROLES))


def test_three_redis_need_three_hosts():
    assert stores(["a", "b", "c"], REDIS_NODES=3) == []
    [problem] = stores(["a", "b"], REDIS_NODES=3)
    assert "REDIS_NODES is 3 and the group `data` has 2 hosts" in problem and "add hosts" in problem


def test_no_host_keeps_data_where_both_stores_are_somebody_elses():
    assert stores([], REDIS_NODES=0, DB_NODES=0) == []
    [problem] = stores([], REDIS_NODES=0)
    assert "group `data` has no host" in problem


@pytest.mark.parametrize(
    ("hosts", "variables", "problems"),
    [
        (["b"], {}, []),
        ([], {"stack_registry": "nas:5000"}, []),
        (
            ["a", "b"],
            {},
            ["inventory: group `registry` has 2 hosts (a, b); it takes one, which keeps the images for all"],
        ),
        (
            ["d"],
            {},
            ["d: is in none of the groups edge, app, data: add it to one, or take it out of the inventory"],
        ),
        (
            ["b"],
            {"stack_registry": "nas:5000"},
            [
                "inventory: stack_registry names a registry, and the group `registry` makes the stack's own: "
                "take one of the two out"
            ],
        ),
    ],
    ids=["one", "another registry", "two", "in no other group", "both"],
)
def test_the_group_of_the_registry(hosts, variables, problems):
    everybody = sorted({"a", "b", *hosts})
    groups = {"all": everybody, "edge": ["a", "b"], "app": ["a", "b"], "data": ["a"], "registry": hosts}
    given = {host: {"ansible_host": host, **variables} for host in everybody}
    assert preflight.inventory_problems(groups, given, str(ROLES)) == problems


# What preflight tells, host by host

LIMITS = {
    "distributions": ["debian 13"],
    "memory_mb": 900,
    "disk_gb": 5,
    "clock_seconds": 30,
    "edge_ports": [80, 443],
    "registry_gb": 2,
    "registry_port": 5000,
}
GOOD = {
    "distribution": "debian 13",
    "systemd": True,
    "memory_mb": 2000,
    "disk_gb": 20.0,
    "time": 1000.0,
    "listeners": {"tcp/22": "sshd", "tcp/443": "docker-proxy", "tcp/2377": "dockerd"},
}


def told(*groups: str, **facts) -> list[str]:
    variables = {
        "__preflight_python": {"stdout": "/usr/bin/python3"},
        "__preflight_look": {"rc": 0},
        "__preflight_facts": {**GOOD, **facts},
        "__preflight_time": 1001.0,
        "group_names": ["edge", *groups],
    }
    return preflight.host_problems("host1", variables, LIMITS)


def test_an_able_host_has_no_problem():
    assert told() == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"distribution": "alpine 3.20"}, "is alpine 3.20; the roles know debian 13"),
        ({"memory_mb": 512}, "has 512 MB of memory, 900 are needed (preflight_memory_mb)"),
        ({"disk_gb": 1.5}, "has 1.5 GB free for /var/lib/docker, 5 are needed (preflight_disk_gb)"),
        ({"time": 941.0}, "its clock is 60 s behind this machine's"),
        ({"time": 1101.0}, "its clock is 100 s ahead of this machine's"),
        ({"systemd": False}, "is not run by systemd"),
        ({"listeners": {"tcp/443": "nginx"}}, "port tcp/443 is taken by nginx: stop it"),
        ({"listeners": {"udp/4789": "openvpn"}}, "port udp/4789 is taken by openvpn; Swarm needs it"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_each_problem_of_a_host_is_one_line(facts, words):
    problems = told(**facts)
    assert len(problems) == 1
    assert problems[0].startswith("host1: ") and words in problems[0]


def test_the_host_of_the_registry_needs_its_port_and_more_space():
    facts = {"disk_gb": 6.5, "listeners": {"tcp/5000": "gunicorn"}}
    assert told(**facts) == []
    assert told("registry", **facts) == [
        "host1: has 6.5 GB free for /var/lib/docker, 7 are needed (preflight_disk_gb + preflight_registry_gb)",
        "host1: port tcp/5000 is taken by gunicorn: stop it, or change the port (stack_registry_port)",
    ]


def test_the_table_of_hosts_is_aligned():
    facts = {**GOOD, "swap_mb": 0, "cpus": 2, "synchronised": False, "ipvs": False}
    lines = preflight.table({"host1": facts, "a-longer-name": {**facts, "synchronised": None}})
    assert [line.split("  ")[0] for line in lines] == ["host", "host1", "a-longer-name"]
    assert len({line.index("2000 MB") for line in lines[1:]}) == 1
    assert "not synchronised" in lines[1] and "unknown" in lines[2]


def test_all_problems_of_a_host_are_reported_at_once():
    assert len(told(memory_mb=1, disk_gb=0.1, distribution="arch", listeners={"tcp/80": "apache2"})) == 4


VALUES = {
    "stack_app_env": {},
    "stack_check_path": "/",
    "stack_db_host": "host1",
    "stack_healthy_seconds": 150,
    "stack_job_seconds": 900,
    "stack_keep_releases": 5,
    "stack_monitoring_host": "host1",
    "stack_name": "channels-stack",
    "stack_redis_host": "",
    "stack_app_redis_host": "",
    "stack_release": "",
    "stack_settings": {"DOMAINS": "rooms.example.org"},
    "stack_trial_seconds": 0,
    "stack_update_monitor": "30s",
    "stack_update_seconds": 900,
    "stack_registry_port": 5000,
    "data": ["host1"],
    "registry": "host2",
    "cluster": ["host1", "host2", "host3"],
    "hosts": ["host1", "host2"],
}


@pytest.mark.parametrize("name", ["", "1.4.2", "2026-11-22_17", "v1"])
def test_variables_of_a_release_that_are_well(name):
    assert variables.problems({**VALUES, "stack_release": name}) == []


@pytest.mark.parametrize(
    "values",
    [
        *({"stack_release": name} for name in ("../elsewhere", "a b", "-x", "x" * 70, ".hidden")),
        *({"stack_update_monitor": text} for text in ("30", "0s", "half a minute", "")),
        *({"stack_name": text} for text in ("", "Rooms", "1rooms", "ro oms")),
        *({"stack_check_path": text} for text in ("health", "/a b")),
        {"stack_app_env": "TOKEN=canary"},
        {"stack_settings": "DOMAINS=rooms.example.org"},
        {"stack_keep_releases": 0},
        {"stack_trial_seconds": -1},
        {"stack_redis_host": "host2"},
        {"stack_app_redis_host": "host2"},
    ],
    ids=str,
)
def test_each_variable_of_a_release_that_is_not_well_is_one_line(values):
    [problem] = variables.problems({**VALUES, **values})
    assert problem.startswith(f"{next(iter(values))} is ") and "; it takes " in problem
    assert "canary" not in problem


@pytest.mark.parametrize("word", ["on", True])
@pytest.mark.parametrize(
    ("values", "given", "problem"),
    [
        ({}, {}, ""),
        ({"stack_monitoring_host": "elsewhere"}, {}, "stack_monitoring_host is 'elsewhere'; it takes a host"),
        ({"stack_monitoring_host": "host3"}, {}, "Prometheus runs on host3, which this run leaves out"),
        ({}, {"MONITORING_PORT": 443}, "MONITORING_PORT is 443, and so is HTTPS_PORT"),
        ({}, {"MONITORING_PORT": 5000}, "MONITORING_PORT is 5000, and so is stack_registry_port"),
    ],
    ids=["fine", "unknown", "left out", "edge", "registry"],
)
def test_the_place_of_prometheus(word, values, given, problem):
    """YAML reads `on` as true."""
    wanted = {"DOMAINS": "rooms.example.org", "MONITORING": word, **given}
    found = variables.problems({**VALUES, **values, "stack_settings": wanted})
    assert len(found) == bool(problem) and problem in "".join(found)
    if values:
        assert variables.problems({**VALUES, **values}) == []


@pytest.mark.parametrize("name", services.NAMES)
def test_a_command_with_the_name_of_a_service_is_one_line(name):
    given = {"DOMAINS": "rooms.example.org", "APP_COMMANDS": f"{name}: ./run"}
    [problem] = variables.problems({**VALUES, "stack_settings": given})
    assert problem.startswith("stack_settings: APP_COMMANDS") and repr(name) in problem


def test_all_wrong_settings_are_reported_before_a_host_is_asked():
    given = {"HTTPS_PROT": 8443, "SERVER_WS": "nginx", "EDGE_TLS_IN_FRONT": True}
    problems = variables.problems({**VALUES, "stack_settings": given})
    assert len(problems) == 2
    assert "did you mean HTTPS_PORT" in problems[0] and "uvicorn, gunicorn, daphne" in problems[1]


def test_a_run_without_the_host_of_the_registry():
    [problem] = variables.problems({**VALUES, "hosts": ["host1"]})
    assert problem.startswith("the registry runs on host2, which this run leaves out: bring it back")


@pytest.mark.parametrize(
    ("sources", "address", "inside"),
    [
        (["192.0.2.0/24"], "192.0.2.9", True),
        (["192.0.2.0/24", "198.51.100.7"], "198.51.100.7", True),
        (["192.0.2.0/24"], "198.51.100.7", False),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["2001:db8::/32"], "192.0.2.1", False),
    ],
)
def test_who_may_use_ssh(sources, address, inside):
    assert host_filters.host_lets_in(sources, address) is inside


def test_a_network_with_bits_of_a_host_is_a_typing_error():
    assert host_filters.host_wrong_networks(["192.0.2.0/24", "192.0.2.1/24", "all"]) == [
        "192.0.2.1/24",
        "all",
    ]


def test_ubuntu_gets_the_updates_that_its_own_file_lets_in():
    """Ours clears that one. Source: data/50unattended-upgrades.Ubuntu of the package, where it says "origin:archive"."""
    text = (ROLES / "host/templates/upgrades.conf.j2").read_text()
    patterns = re.findall(r'"origin=(Ubuntu\w*),archive=([^"]+)"', text)
    assert {f"{origin}:{archive.replace('${distro_codename}', 'noble')}" for origin, archive in patterns} == {
        "Ubuntu:noble",
        "Ubuntu:noble-security",
        "UbuntuESMApps:noble-apps-security",
        "UbuntuESM:noble-infra-security",
    }


@pytest.mark.parametrize("distribution", ["debian 12", "debian 13", "ubuntu 24.04"])
def test_packages_from_the_controller_are_debians(distribution):
    assert bool(packages.refused(distribution)) is distribution.startswith("ubuntu")


@pytest.mark.parametrize(
    ("kind", "folder", "suffix"), [("module", "action", ".py"), ("filter", "filter", ".yml")]
)
def test_ansible_doc_answers_for_each_plugin(kind, folder, suffix):
    """Also what Ansible checks of a task's options comes from there."""
    names = sorted(f"channels_stack.deploy.{path.stem}" for path in (PLUGINS / folder).glob(f"*{suffix}"))
    command = [Path(sys.executable).with_name("ansible-doc"), "--json", "--type", kind, *names]
    done = subprocess.run(command, cwd=ROOT / "ansible", capture_output=True, text=True, check=True)
    documented = json.loads(done.stdout)
    assert sorted(documented) == names
    assert [name for name, page in documented.items() if not page["doc"]["short_description"]] == []


def test_no_role_uses_the_filter_union():
    """It makes a set: two hosts would come in another order at each run, and another of them be the manager."""
    texts = {path.relative_to(ROLES): path.read_text() for path in ROLES.rglob("*.yml")}
    assert [str(path) for path, text in texts.items() if re.search(r"\|\s*union\b", text)] == []


def test_no_file_of_the_roles_names_a_mirror():
    texts = {path: path.read_text() for path in ROLES.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert [
        str(Path(path)) for path, text in texts.items() if re.search(r"deb\.debian\.org|pypi\.org", text)
    ] == []
