"""Secrets: made once, readable by their consumer alone, never overwritten."""

import stat

import pytest

from stack import secrets


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
    from stack.paths import Deployment

    other = Deployment(tmp_path / "other")
    secrets.make(other)
    for path in made.secrets.iterdir():
        if path.name in ("backup_credentials", "secret_key_fallbacks"):
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


def test_secrets_that_nothing_reads_are_told(deployment):
    owners = secrets.make(deployment)
    for name in ("tls_pem", "secret_kee", "redis_keeper"):
        (deployment.secrets / name).write_text("hidden-value")
    told = secrets.notes(deployment, owners)
    assert [line.split()[0] for line in told] == ["secrets/secret_kee", "secrets/tls_pem"]
    assert "docs/certificates.md" in told[1] and "hidden-value" not in "".join(told)


def test_rules_of_an_earlier_version_are_told(deployment):
    owners = secrets.make(deployment)
    path = deployment.secrets / "redis_acl"
    text = path.read_text()
    path.chmod(0o600)
    path.write_text(text.replace(" +lpush", "").replace(" +brpop", ""))
    (told,) = secrets.notes(deployment, owners)
    assert "lacks +brpop +lpush" in told and text.split(">")[1].split()[0] not in told
    assert secrets.notes(deployment, owners, acl=False) == []
