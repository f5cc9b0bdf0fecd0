"""Secrets and certificates: made once, readable by their consumer alone, never overwritten."""

import stat
import subprocess

import pytest

from stack import certificates, secrets


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
        if path.name == "backup_credentials":
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


def test_the_certificate_is_for_the_domains_and_signed_by_the_authority(made):
    certificates.make(made, ["rooms.example", "localhost"])
    certificate = made.secrets / "tls_pem"
    names = certificates.openssl("x509", "-in", str(certificate), "-noout", "-ext", "subjectAltName")
    assert "DNS:rooms.example" in names
    assert "DNS:localhost" in names
    verified = subprocess.run(
        ["openssl", "verify", "-CAfile", made.authority / "ca.pem", certificate], check=False
    )
    assert verified.returncode == 0


def test_a_certificate_for_other_names_is_reported(made):
    certificates.make(made, ["localhost"])
    problems = certificates.problems(made, ["rooms.example"])
    assert [problem for problem, _ in problems] == ["the certificate is not for rooms.example"]


def test_a_given_certificate_is_kept(made):
    (made.secrets / "tls_pem").write_text("mine")
    certificates.make(made, ["localhost"])
    assert (made.secrets / "tls_pem").read_text() == "mine"
