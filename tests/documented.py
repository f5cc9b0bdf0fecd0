"""The commands and settings that README and docs tell people to type, and which test runs each of them.

Standard library only: unit tests look whether every command has a row of RUN and whether what it names exists, smoke tests
run those of COMPOSE on a stack.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = {
    *("make", "docker", "ansible-playbook", "channels-stack", "python", "python3", "pip"),
    *("backup", "edge", "certificates", "redis-node", "systemctl", "ssh", "ssh-keygen", "tcpdump"),
    *("git", "cd", "source", "tar", "pre-commit", "PYTHONPATH=src/channels_stack_deploy", ".ci/run"),
}
"""What a command of the docs begins with; anything else in a block of `sh` is a mistake."""

SETTING = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")


@dataclass(frozen=True)
class Command:
    """One command, as it is written on a page. BLOCK: a line of a block to copy, not words within a sentence."""

    page: str
    text: str
    block: bool

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def pages() -> list[Path]:
    """Every page for people: at the top, below docs/, and the README of each part."""
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    found += (ROOT / "docs").rglob("*.md")
    for folder in ("ansible/roles", "images", "src"):
        found += (ROOT / folder).rglob("README.md")
    return sorted(found)


def blocks(page: Path, language: str = "sh") -> Iterator[list[str]]:
    """The fenced blocks of LANGUAGE on PAGE, line by line, without comments and empty lines."""
    for text in re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.M | re.S):
        lines = [re.sub(r"(^|\s+)#( .*|)$", "", line).strip() for line in text.splitlines()]
        yield [line for line in lines if line]


def is_settings(lines: list[str]) -> bool:
    """Whether a block is lines of stack.env."""
    return all(SETTING.fullmatch(line) and not line.startswith("PYTHONPATH=") for line in lines)


def settings() -> Iterator[tuple[str, list[str]]]:
    """(page, lines) of each block of settings."""
    for page in pages():
        for lines in blocks(page):
            if is_settings(lines):
                yield str(page.relative_to(ROOT)), lines


def commands() -> list[Command]:
    """Every command, once for each page."""
    found = []
    for page in pages():
        name = str(page.relative_to(ROOT))
        for lines in blocks(page):
            if not is_settings(lines):
                found += [
                    Command(name, part.strip(), True)
                    for line in lines
                    for part in re.split(r" && (?!docker compose)", line)
                ]
        text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
        found += [
            Command(name, code, False)
            for code in re.findall(r"`([^`\n]+)`", text)
            if code.partition(" ")[0] in PROGRAMS and " " in code
        ]
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Run:
    """Commands that fit PATTERN are run by BY, a test (`tests/file.py::function`) or a script, where they read like SAYS."""

    pattern: str
    by: str
    says: str

    def fits(self, command: Command) -> bool:
        return re.fullmatch(self.pattern, command.text) is not None


SUITES = ".ci/run"
NIGHTLY = ".github/workflows/nightly.yml"
STAGING = "tests/operator/test_staging.py"
VERBS = "tests/operator/test_verbs.py"
MACHINE = "tests/deploy/test_one_machine.py"
PLAYBOOK = r"ansible-playbook -i inventory/production"
WHOLE = r"[^|…\[<]*"
"""The rest of a command that can be typed as it is, without a choice and without a name to fill in."""
PAGES_ON_A_STACK = "tests/smoke/test_documented.py::test_the_command_answers"

RUN = (
    # --- Verbs of one machine
    Run(r"make up( ENV=(staging|<name>))?", f"{STAGING}::staging", 'done("up", name)'),
    Run(r"make (ps|check)", f"{STAGING}::test_every_verb_takes_it", '["ps", "status", "check"]'),
    Run(
        r"make capacity( ENV=staging)?( APPLY=yes)?",
        "tests/apps/test_capacity.py::test_what_it_writes_serves_more_visitors",
        '"capacity"',
    ),
    Run(
        r"make purge( ENV=staging)?( CONFIRM=yes)?",
        f"{STAGING}::test_a_purge_leaves_its_settings_and_the_other_stack",
        '"purge"',
    ),
    Run(
        r"make smoke( ENV=staging| T=.*)?",
        f"{STAGING}::test_its_services_pages_and_sockets_are_right",
        'done("smoke"',
    ),
    Run(
        r"make smoke ENV=production",
        "tests/deploy/test_deploy.py::test_smoke_is_green",
        'deployment.make("smoke")',
    ),
    Run(
        r"make smoke TARGET=\S+( OPTIONS=.*)?",
        f"{STAGING}::test_smoke_of_any_address",
        'f"TARGET={staging.url}',
    ),
    Run(r"make down( ENV=staging)?", f"{STAGING}::test_down_keeps_the_data", 'done("down"'),
    Run(r"make logs", f"{STAGING}::test_logs_follow_until_they_are_left", '"logs"'),
    Run(r"make manage( ENV=production)? C=createsuperuser", f"{STAGING}::test_the_first_user", '"manage"'),
    Run(r"make adopt( P=\S+)?", f"{VERBS}::test_a_project_is_adopted_and_examined", 'done("adopt"'),
    Run(r"make doctor( P=\S+)?", f"{VERBS}::test_a_project_is_adopted_and_examined", 'done("doctor"'),
    Run(r"make dev", f"{VERBS}::test_a_development_stack_reloads", 'done("dev"'),
    Run(r"make backup", f"{MACHINE}::test_backup", 'make(place, "backup")'),
    Run(r"make restore-drill", f"{MACHINE}::test_restore_drill", 'make(place, "drill")'),
    Run(
        r"make restore CONFIRM=yes",
        f"{MACHINE}::test_down_restore_up",
        'make(place, "restore", CONFIRM="yes")',
    ),
    Run(
        r"make rollback( RELEASE=\w+)?",
        "tests/operator/test_rollback.py::test_no_visitor_notices_the_way_back",
        'stacks.tool(place.folder, "rollback"',
    ),
    Run(r"make bundle( W=\w+)?", "tests/deploy/test_bundle.py::test_it_serves", "make up BUNDLE="),
    Run(
        r"tar -xf \S+.bundle.tar --exclude=bundle",
        "tests/deploy/test_bundle.py::test_the_sources_and_make_are_in_it",
        "tar -xf {bundle.name}",
    ),
    Run(r"make up BUNDLE=\S+", "tests/deploy/test_bundle.py::test_it_serves", "make up BUNDLE="),
    Run(
        r"make up SHARE=\d+",
        "tests/operator/test_share.py::test_a_good_release_is_tried_by_a_share_and_rolled",
        'release(running, "second")',
    ),
    # --- Verbs of both
    Run(
        r"make (details|audit|dbshell|shell|job|logs|manage|status|releases|maintenance)( [A-Z]+=.*)?",
        "tests/operator/test_operate.py::test_a_verb_answers",
        "verbs.answered(verb, name)",
    ),
    # --- Verbs and playbooks of servers
    Run(
        r"make (bootstrap|deploy|rollback(?= ENV)|rotate)( ENV=production)?( W=\w+)?",
        "tests/deploy/test_rollback.py::test_the_verbs_of_make",
        "deployment.make(",
    ),
    Run(
        rf"{PLAYBOOK} bootstrap.yml --check --diff",
        "tests/deploy/test_bootstrap.py",
        'playbook("bootstrap.yml", "--check", "--diff")',
    ),
    Run(rf"{PLAYBOOK} bootstrap.yml", "tests/deploy/test_bootstrap.py", 'playbook("bootstrap.yml")'),
    Run(
        r"make deploy ENV=production SHARE=\d+",
        "tests/deploy/test_share.py::test_what_is_no_share_is_refused_before_anything_is_done",
        'make("deploy", "SHARE=',
    ),
    Run(
        rf"{PLAYBOOK} deploy.yml -e share=\d+",
        "tests/deploy/test_share.py::test_a_good_release_is_tried_by_a_share_and_rolled",
        'deploy("-e", f"share={SHARE}")',
    ),
    Run(rf"{PLAYBOOK} deploy.yml( -e release=\S+)?", "tests/deploy/test_rollback.py", "deploy("),
    Run(rf"{PLAYBOOK} rollback.yml", "tests/deploy/test_rollback.py", 'play("rollback.yml")'),
    Run(
        rf"{PLAYBOOK} status.yml",
        "tests/deploy/test_deploy.py::test_the_status_shows_nodes_services_processes_and_the_certificate",
        'play("status.yml")',
    ),
    Run(
        rf"{PLAYBOOK} (un)?drain.yml -e node=\S+",
        "tests/deploy/test_hosts.py",
        'play("undrain.yml", "-e", f"node=',
    ),
    Run(
        rf"{PLAYBOOK} scale.yml -e ws=\d",
        "tests/deploy/test_deploy.py::test_more_tasks_and_fewer",
        'play("scale.yml", "-e", "ws=3")',
    ),
    Run(
        r"make retire ENV=production HOST=\S+",
        "tests/deploy/test_retire.py::test_an_edge_and_app_host_goes_and_no_visitor_notices",
        'deployment.make("retire"',
    ),
    Run(rf"{PLAYBOOK} rotate-secrets.yml", "tests/deploy/test_rotate.py", '"rotate-secrets.yml"'),
    Run(
        rf"{PLAYBOOK} rotate-secrets.yml -e what=\S+",
        "tests/deploy/test_rotate.py::test_one_of_them_alone",
        '"what=redis"',
    ),
    Run(
        r"docker exec \$\(docker ps -qf name=_ws \| head -1\)",
        "tests/deploy/test_deploy.py::test_the_runbook_on_a_server",
        "name=_ws",
    ),
    Run(
        r"docker swarm init --force-new-cluster",
        "tests/deploy/test_disaster.py",
        '"swarm", "init", "--force-new-cluster"',
    ),
    Run(
        r"systemctl status channels-stack-certificates.service",
        "tests/deploy/test_certificates.py",
        '"systemctl", "status", unit',
    ),
    Run(r"tcpdump .*", "tests/deploy/hosts/line.py", '"tcpdump"'),
    # --- Within containers of a stack
    Run(
        r"docker compose exec db psql .*password app'",
        "tests/operator/test_secrets_page.py::test_passwords_of_the_data_stores",
        "documented.commands()",
    ),
    Run(
        rf"docker compose exec (-T )?(http|ws|worker|db|redis|edge) (?!env ){WHOLE}",
        PAGES_ON_A_STACK,
        "documented.commands()",
    ),
    Run(rf"docker compose (ps|logs|kill){WHOLE}", PAGES_ON_A_STACK, "documented.commands()"),
    Run(r"docker system df", PAGES_ON_A_STACK, "documented.commands()"),
    Run(
        r"docker compose exec http env DJANGO_SETTINGS_MODULE=.*",
        "tests/unit/runtime/test_entry_points.py::test_who_says_other_settings_before_the_start_has_them",
        "DJANGO_SETTINGS_MODULE",
    ),
    Run(
        r"docker compose exec backup backup status|backup list",
        f"{MACHINE}::test_what_the_service_says_of_them",
        '["status", "list", "verify"]',
    ),
    Run(r"backup discard", f"{MACHINE}::test_down_restore_up", '"backup", "discard"'),
    Run(r"backup now --full", "tests/image/backup/test_service.py", 'backup("now", "--full")'),
    Run(
        r"backup restore --yes --keep-jobs",
        "tests/image/backup/test_restore.py::test_a_restore_that_leaves_the_jobs",
        '"--keep-jobs"',
    ),
    Run(
        r"docker compose exec certificates certificates health|certificates health",
        "tests/image/test_certificates.py",
        '"certificates", "health"',
    ),
    Run(
        r"docker compose restart alertmanager",
        "tests/monitoring/test_monitoring.py",
        '"restart", "alertmanager"',
    ),
    Run(
        r"ssh -L 9090:localhost:9090 \S+",
        "tests/deploy/test_monitoring_on_servers.py::test_an_operator_comes_to_it_through_ssh",
        '"-L"',
    ),
    Run(r"docker compose restart certificates", "tests/image/test_certificates.py", '"restart"'),
    Run(
        r"docker compose exec sentinel redis-node settled --seconds 0",
        "tests/image/test_redis_nodes.py::test_what_the_page_says_to_type",
        "documented.commands()",
    ),
    Run(
        r"redis-node hand-over --name redis-2",
        "tests/image/test_redis_nodes.py::test_what_the_page_says_to_type",
        "documented.commands()",
    ),
    # --- What is for who changes the stack
    Run(r"make( prepare| test| lint| lint test| image T=\S+| unit T=\S+|)", SUITES, "make lint test"),
    Run(r"make browser", SUITES, "make lint test"),
    Run(r"make test-faults( T=.*)?", SUITES, "make test-faults"),
    Run(r"make test-deploy T=\S+( -m more')?", SUITES, "make test-deploy T="),
    Run(r"make test-upgrade REV=\S+", "tests/upgrade/conftest.py", "--revision"),
    Run(
        r"make (apps|coverage|test-versions|test-client|test-monitoring|test-realtime)( T=\w+)?",
        NIGHTLY,
        "test-versions, apps, test-deploy, test-client, test-monitoring, test-realtime",
    ),
    Run(
        r"make release",
        "tests/image/test_release.py::test_a_release_is_complete",
        "channels_stack_deploy.build.distribution",
    ),
    Run(
        r"make test-doctor",
        "tests/unit/doctor/test_doctor_shapes.py::test_precision_and_recall",
        "agreement.compare",
    ),
    Run(
        r"python manage\.py (makemigrations chat|migrate)",
        "tests/unit/runtime/test_recovery.py::test_from_the_fourth_step_on_the_database_says_what_redis_has_lost",
        "MIGRATIONS",
    ),
    Run(r"make controller", "tests/prepare.py", "controller"),
    Run(
        r"pip install ./src/channels_stack",
        "tests/unit/runtime/test_installed.py::test_it_can_be_imported_and_is_complete",
        '"pip", "install"',
    ),
    Run(
        r"PYTHONPATH=src/channels_stack_deploy python3 -m channels_stack_deploy --help",
        "tests/stacks.py::tool",
        "channels_stack_deploy",
    ),
)
"""Which test runs which command; the first row that fits counts."""

NOT_RUN = {
    r"git clone .*|cd .*|source .venv/bin/activate|pre-commit install": "of the shell, git or pre-commit",
    r"git add --force .*": "tests/image/test_environment_folders.py looks at what git ignores there",
    r"make lock( LOCK=--upgrade)?": "needs a package index; the locks that it writes are installed by every build",
    r"make bench(-\w+)?( (T|REV)=\w+)?": "a measurement of minutes, which nothing depends on",
    r"git push heroku main|systemctl status app": "another tool's, to compare with",
    r"ssh-keygen .*": "on the machine of somebody's backups",
    r"docker stack rm channels-stack-registry": "the engine's own command, when the registry is not wanted any more",
    r"docker node rm|systemctl --failed": "a mention of the engine's or systemd's own command",
    r"docker (compose|exec) .*[<…|].*|docker compose( cp| exec ws)?": "a mention, with no arguments or a choice of them",
    r"(channels-stack|edge|redis-node|certificates|backup) .*": "a mention; what of it is ours is read by the unit test",
}
"""Why no test runs the commands that fit."""
