"""Secrets: made once, readable by their consumer alone, never overwritten."""

import stat

import pytest

from channels_stack_deploy.config import secrets, settings, stores
from channels_stack_deploy.console import Failure


@pytest.fixture
def made(deployment):
    """A deployment with everything made."""
    secrets.make(deployment)
    return deployment


def test_every_secret_is_readable_by_its_owner_only(made):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in made.secrets.iterdir()}
    assert modes
    assert set(modes.values()) == {0o400}, modes


def test_a_second_run_changes_nothing(made):
    before = {path.name: path.read_text() for path in made.secrets.iterdir()}
    secrets.make(made)
    assert before == {path.name: path.read_text() for path in made.secrets.iterdir()}


def test_two_deployments_share_no_secret(made, tmp_path):
    from channels_stack_deploy.paths import Deployment

    other = Deployment(tmp_path / "other")
    secrets.make(other)
    for path in made.secrets.iterdir():
        if path.name in ("backup_credentials", "secret_key_fallbacks", "data_ca"):
            continue  # empty: the operator fills it in
        assert path.read_text() != (other.secrets / path.name).read_text()


def test_both_halves_of_a_password_agree(made):
    password = (made.secrets / "db_password").read_text()
    assert f":{password}@db:" in (made.secrets / "database_url").read_text()


@pytest.mark.parametrize("name", ["db_password", "database_url", "redis_acl", "redis_url"])
def test_a_lost_half_is_named_instead_of_replaced(made, name):
    (made.secrets / name).unlink()
    with pytest.raises(SystemExit, match=name):
        secrets.make(made)
    assert not (made.secrets / name).exists()


def test_settings_of_the_operator_are_never_overwritten(made):
    made.settings.write_text("HTTPS_PORT=1\n")
    secrets.make(made)
    assert made.settings.read_text() == "HTTPS_PORT=1\n"


def test_what_is_made_needs_no_note(deployment):
    assert secrets.notes(deployment, secrets.make(deployment)) == []


def test_secrets_that_nothing_reads_are_reported(deployment):
    owners = secrets.make(deployment)
    for name in ("tls_pem", "secret_kee", "redis_keeper"):
        (deployment.secrets / name).write_text("hidden-value")
    told = secrets.notes(deployment, owners)
    assert [line.split()[0] for line in told] == ["secrets/secret_kee", "secrets/tls_pem"]
    assert "docs/how-to/certificates.md" in told[1] and "hidden-value" not in "".join(told)


def test_rules_of_an_earlier_version_are_reported(deployment):
    owners = secrets.make(deployment)
    path = deployment.secrets / "redis_acl"
    text = path.read_text()
    path.chmod(0o600)
    path.write_text(text.replace(" +lpush", "").replace(" +brpop", ""))
    (told,) = secrets.notes(deployment, owners)
    assert "lacks +brpop +lpush" in told and text.split(">")[1].split()[0] not in told
    assert secrets.notes(deployment, owners, acl=False) == []


def test_three_redis_are_reached_through_their_sentinels(deployment):
    deployment.folder.mkdir(exist_ok=True)
    deployment.settings.write_text("REDIS_NODES=3\n")
    secrets.make(deployment)
    url = (deployment.secrets / "redis_url").read_text()
    assert url.startswith("redis+sentinel://app:") and url.endswith("@sentinel,sentinel-2,sentinel-3/redis/0")
    stores.check(deployment, settings.load(deployment.settings))


def test_addresses_of_stores_that_are_somebody_elses_are_not_made_up(deployment):
    deployment.folder.mkdir(exist_ok=True)
    deployment.settings.write_text("REDIS_NODES=0\nDB_NODES=0\n")
    secrets.make(deployment)
    assert not (deployment.secrets / "redis_url").exists()
    with pytest.raises(Failure) as told:
        stores.check(deployment, settings.load(deployment.settings))
    assert "REDIS_NODES=0, but secrets/redis_url names no Redis outside" in str(told.value)
    assert "DB_NODES=0, but secrets/database_url names no database outside" in str(told.value)


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        (
            "1",
            "3",
            ["REDIS_NODES=3", "write redis+sentinel://app:PASSWORD@sentinel,sentinel-2,sentinel-3/redis/0"],
        ),
        ("3", "1", ["REDIS_NODES=1", "write redis://app:PASSWORD@redis:6379/0"]),
    ],
)
def test_another_number_of_redis_says_what_their_address_is_then(deployment, first, then, words):
    deployment.folder.mkdir(exist_ok=True)
    deployment.settings.write_text(f"REDIS_NODES={first}\n")
    secrets.make(deployment)
    deployment.settings.write_text(f"REDIS_NODES={then}\n")
    with pytest.raises(Failure) as told:
        stores.check(deployment, settings.load(deployment.settings))
    password = (deployment.secrets / "redis_url").read_text().partition("app:")[2].partition("@")[0]
    assert all(word in str(told.value) for word in words) and password not in str(told.value)


def test_a_database_of_somebody_elses_is_not_backed_up_here(deployment):
    deployment.folder.mkdir(exist_ok=True)
    deployment.settings.write_text("DB_NODES=0\nBACKUP_REPOSITORY=volume\n")
    deployment.secrets.mkdir()
    (deployment.secrets / "database_url").write_text(
        "postgresql://app@db.example.org/app?sslmode=verify-full"
    )
    secrets.make(deployment)
    with pytest.raises(Failure, match="BACKUP_REPOSITORY is set, but the database is external"):
        stores.check(deployment, settings.load(deployment.settings))


def with_redis(deployment, chosen):
    """A deployment with everything made for APP_REDIS=CHOSEN."""
    deployment.folder.mkdir(parents=True, exist_ok=True)
    deployment.settings.write_text(f"APP_REDIS={chosen}\n")
    secrets.make(deployment)
    return settings.load(deployment.settings)


def test_the_applications_redis_has_a_password_of_its_own(deployment):
    stores.check(deployment, with_redis(deployment, "cache"))
    url, layers = ((deployment.secrets / f"{name}redis_url").read_text() for name in ("app_", ""))
    password = url.removeprefix("redis://:").removesuffix("@redis-app:6379/0")
    assert f"user default on >{password} " in (deployment.secrets / "app_redis_acl").read_text()
    assert password not in layers


@pytest.mark.parametrize("name", ["app_redis_url", "app_redis_acl"])
def test_a_lost_half_of_it_is_named(deployment, name):
    with_redis(deployment, "cache")
    (deployment.secrets / name).unlink()
    with pytest.raises(SystemExit, match=name):
        secrets.make(deployment)


def test_an_address_and_a_setting_that_contradict_each_other_are_refused(deployment):
    with pytest.raises(Failure, match="app_redis_url names no Redis outside the stack"):
        stores.check(deployment, with_redis(deployment, "outside"))
    (deployment.secrets / "app_redis_url").write_text("rediss://:secret@cache.example.org:6380/0")
    chosen = settings.load(deployment.settings)
    stores.check(deployment, chosen)
    with pytest.raises(Failure, match="write APP_REDIS=outside") as told:
        stores.check(deployment, chosen | {"APP_REDIS": "both"})
    assert "secret@" not in str(told.value)
