"""Environments with a name: where they are, what a new one starts with, what is refused."""

import pytest

from channels_stack_deploy import paths
from channels_stack_deploy.config import environments, ownership, settings
from channels_stack_deploy.console import Failure
from channels_stack_deploy.paths import Deployment


def test_without_a_name_it_is_the_one_in_compose(checkout):
    found = environments.find("", "ps")
    assert found.folder == checkout / "compose"
    assert (found.name, found.verb("down"), found.shown(found.settings)) == ("", "make down", "stack.env")
    assert settings.of(found)["COMPOSE_PROJECT_NAME"] == "channels-stack"


def test_one_with_a_name_has_a_folder_and_a_project_of_its_own(checkout):
    found = environments.find("staging", "up", ("dev",))
    assert found == Deployment(checkout / "compose/environments/staging", ("dev",))
    assert (found.name, found.verb("down")) == ("staging", "make down ENV=staging")
    assert found.shown(found.secrets / "redis_url") == "compose/environments/staging/secrets/redis_url"
    assert ownership.project(found) == settings.of(found)["COMPOSE_PROJECT_NAME"] == "channels-stack-staging"
    found.folder.mkdir(parents=True)
    found.settings.write_text("LOG_LEVEL=debug\n")
    assert ownership.project(found) == settings.of(found)["COMPOSE_PROJECT_NAME"] == "channels-stack-staging"
    found.settings.write_text("COMPOSE_PROJECT_NAME=rooms\n")
    assert ownership.project(found) == settings.of(found)["COMPOSE_PROJECT_NAME"] == "rooms"


@pytest.mark.parametrize(
    ("name", "proposal"),
    [
        ("../production", "production"),
        ("/etc", "etc"),
        (".", "staging"),
        ("..", "staging"),
        ("Staging", "staging"),
        ("my staging", "my-staging"),
        ("-x", "x"),
        ("a/b", "a-b"),
        ("staging\n", "staging"),
        ("größe", "gr-e"),
        ("x" * 41, "x" * 40),
    ],
)
def test_what_is_no_name_is_refused_with_one(checkout, name, proposal):
    with pytest.raises(Failure, match="takes small letters") as refused:
        environments.find(name, "up")
    assert str(refused.value).endswith(f": ENV={proposal}")
    assert not (checkout / "compose/environments").exists()
    environments.check(proposal)


def test_one_that_is_not_there_is_refused_with_those_that_are(checkout):
    with pytest.raises(Failure) as refused:
        environments.find("staging", "ps")
    assert str(refused.value) == (
        "no environment staging in compose/environments; there is none yet, and without ENV the default one in compose; "
        "make up ENV=staging creates it"
    )
    for name in ("staging", "preview", ".cache"):
        (checkout / "compose/environments" / name).mkdir(parents=True)
    (checkout / "compose/environments/README.md").touch()
    with pytest.raises(Failure) as refused:
        environments.find("stagin", "purge")
    assert "; did you mean staging?; there are preview, staging, and without ENV" in str(refused.value)
    assert environments.find("staging", "purge").name == "staging"


def test_a_mistake_in_its_settings_is_named_with_its_file(checkout):
    found = environments.find("staging", "up")
    environments.create(found)
    with found.settings.open("a") as file:
        file.write("HTTPS_PROT=8443\n")
    with pytest.raises(
        Failure, match=r"^compose/environments/staging/stack.env: HTTPS_PROT is not a setting"
    ):
        settings.of(found)


def test_a_new_default_one_starts_with_the_example(checkout):
    default = environments.find("", "up")
    environments.create(default)
    assert default.settings.read_text() == paths.EXAMPLE.read_text()
    assert sorted(path.name for path in default.folder.iterdir()) == ["app.env", "stack.env"]


def test_a_new_one_has_no_command_of_the_reference_application_for_another(checkout):
    default = environments.find("", "up")
    default.folder.mkdir(parents=True, exist_ok=True)
    default.settings.write_text("APP_DIR=../../shop\n")
    staging = environments.find("staging", "up")
    environments.create(staging)
    assert settings.of(staging)["APP_RELEASE_COMMANDS"] == ""


def test_a_new_one_runs_the_application_of_the_default_one_and_shares_nothing_else(checkout, capsys):
    default = environments.find("", "up")
    environments.create(default)
    with default.settings.open("a") as file:
        file.write(
            "DOMAINS=rooms.example.org\nAPP_DIR=../../my project\nAPP_COMMANDS='beat: celery beat'\nSERVER_WS=daphne\n"
            "COMPOSE_PROJECT_NAME=rooms\nHTTPS_PORT=443\nBACKUP_REPOSITORY=/srv/backups\nDB_MEMORY=2G\n"
            "BUILD_NETWORK=host\n"
        )
    default.application.write_text("# Payments\nSTRIPE_KEY=sk_live_1\nMAILGUN_URL='https://x'\n")
    staging = environments.find("staging", "up")
    environments.create(staging)
    mine, theirs = settings.of(staging), settings.of(default)
    shared = {"APP_DIR", "APP_COMMANDS", "APP_RELEASE_COMMANDS", "SERVER_WS", "BUILD_NETWORK"}
    assert {name for name, value in mine.items() if value != settings.defaults("staging")[name]} == shared
    assert {name: mine[name] for name in shared} == {name: theirs[name] for name in shared}
    assert "#COMPOSE_PROJECT_NAME=channels-stack-staging\n" in staging.settings.read_text()
    # What it needs is said, and none of it is production's.
    assert "#STRIPE_KEY=\n#MAILGUN_URL=\n" in staging.application.read_text()
    assert "sk_live" not in staging.application.read_text()
    assert "made compose/environments/staging/stack.env: the application" in capsys.readouterr().out
    for path in (staging.settings, staging.application, staging.definitions):
        path.write_text("")
    environments.create(staging)
    assert staging.settings.read_text() == staging.application.read_text() == ""


def test_two_may_not_write_their_backups_to_one_repository(checkout):
    production, staging = environments.find("", "up"), environments.find("staging", "up")
    for each in (production, staging):
        environments.create(each)
        each.secrets.mkdir()
        (each.secrets / "db_password").touch()
    for repository, shared in (("/srv/backups", True), ("volume", False), ("", False)):
        production.settings.write_text(f"BACKUP_REPOSITORY={repository}\n")
        staging.settings.write_text(f"BACKUP_REPOSITORY={repository}\n")
        found = environments.problems(staging, settings.of(staging))
        assert bool(found) is shared
        assert all(problem.endswith("compose/stack.env too") for problem, _ in found)
