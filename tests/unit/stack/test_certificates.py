"""The edge's certificate: made by the local authority, given in files, or by ACME; and every mistake named."""

import ssl
import stat
import subprocess

import pytest
from selfsigned import self_signed

from channels_stack_deploy.config import certificates
from channels_stack_deploy.config.settings import defaults
from channels_stack_deploy.console import Failure


def settings(source="local", domains="rooms.example"):
    """The defaults with this CERTIFICATE and DOMAINS."""
    return defaults() | {"CERTIFICATE": source, "DOMAINS": domains}


def names(path):
    """subjectAltName of a certificate."""
    return certificates.openssl("x509", "-in", str(path), "-noout", "-ext", "subjectAltName")


@pytest.fixture
def pem(deployment):
    """Make a certificate and return the file that holds its text."""

    def make(**given):
        path = deployment.folder / "pem"
        path.parent.mkdir(exist_ok=True)
        path.write_text(certificates.make(deployment, settings(**given)))
        return path

    return make


def life(path):
    """Days from a certificate's first to its last moment."""
    text = certificates.openssl("x509", "-in", str(path), "-noout", "-dates")
    start, end = (ssl.cert_time_to_seconds(line.partition("=")[2]) for line in text.splitlines())
    return (end - start) / 86400


@pytest.fixture
def files(deployment):
    """Leave a pair for rooms.example where the operator puts it, as (chain, key)."""
    deployment.authority.mkdir(parents=True)
    chain, key = certificates.given(deployment)

    def make(name="rooms.example", days=90):
        self_signed(name, name, chain, key, days)
        key.chmod(0o600)
        return chain, key

    return make


def found(deployment, **given):
    """The problems, as one text."""
    return "\n".join(problem for problem, _ in certificates.problems(deployment, settings(**given)))


def test_the_local_certificate_lives_for_a_year_at_most(pem):
    assert life(pem()) <= 365


def test_one_that_an_earlier_version_made_for_longer_is_made_again(deployment, pem, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(certificates, "CERTIFICATE_DAYS", 397)
        assert life(pem()) == 397
    assert life(pem()) == 365
    assert pem().read_text() == pem().read_text()


def test_the_local_certificate_is_for_the_domains_and_signed_by_the_authority(deployment, pem):
    path = pem(domains="rooms.example other.example")
    assert all(f"DNS:{name}" in names(path) for name in ("rooms.example", "other.example", "localhost"))
    root = deployment.authority / "ca.pem"
    assert subprocess.run(["openssl", "verify", "-CAfile", root, path], check=False).returncode == 0


def test_keys_are_readable_by_their_owner_alone(deployment, pem):
    pem()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in deployment.authority.iterdir()}
    assert {name: mode for name, mode in modes.items() if name in ("ca.key", "local.pem")} == {
        "ca.key": 0,
        "local.pem": 0,
    }


def test_the_local_certificate_is_kept(pem):
    assert pem().read_text() == pem().read_text()


def test_another_domain_makes_another_certificate_of_the_same_authority(deployment, pem):
    root = (pem(), (deployment.authority / "ca.pem").read_text())[1]
    assert "DNS:added.example" in names(pem(domains="rooms.example added.example"))
    assert (deployment.authority / "ca.pem").read_text() == root


def test_a_local_certificate_near_its_end_is_made_again(deployment, pem, monkeypatch):
    monkeypatch.setattr(certificates, "CERTIFICATE_DAYS", 29)
    first = pem().read_text()
    monkeypatch.undo()
    assert pem().read_text() != first


def test_given_files_become_one_text(deployment, files):
    chain, key = files()
    assert certificates.make(deployment, settings("files")) == chain.read_text() + key.read_text()


def test_a_wildcard_stands_for_one_label(deployment, files):
    files("*.example")
    assert found(deployment, source="files") == ""
    assert "not for a.b.example" in found(deployment, source="files", domains="a.b.example")


def test_missing_files_are_named(deployment, files):
    assert "fullchain.pem is missing" in found(deployment, source="files")
    assert "privkey.pem is missing" in found(deployment, source="files")
    with pytest.raises(Failure, match=r"privkey\.pem is missing"):
        certificates.make(deployment, settings("files"))


def test_every_fault_of_given_files_is_named_at_once(deployment, files):
    _, key = files()
    other = key.read_text()
    files("other.example", days=1)
    key.write_text(other)
    key.chmod(0o644)
    text = found(deployment, source="files")
    for words in ("readable by every user", "not the key", "ends within a day", "not for rooms.example"):
        assert words in text


@pytest.mark.parametrize(("which", "words"), [(0, "no certificate in PEM"), (1, "no key in PEM")])
def test_what_is_no_pem_is_named(deployment, files, which, words):
    files()[which].write_text("hello")
    assert words in found(deployment, source="files")


def test_a_key_with_a_passphrase_is_named(deployment, files):
    _, key = files()
    command = ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", key]
    subprocess.run(command, check=True, capture_output=True)
    assert "passphrase" in found(deployment, source="files")


@pytest.mark.parametrize("name", ["localhost", "10.0.0.1", "*.example.org"])
def test_names_that_no_public_authority_issues_for_are_refused(deployment, name):
    assert name in found(deployment, source="acme", domains=f"rooms.example.org {name}")


def test_until_acme_has_one_there_is_a_local_certificate(deployment, pem):
    assert "DNS:rooms.example.org" in names(pem(source="acme", domains="rooms.example.org"))


def test_an_address_is_a_name_as_well(deployment):
    """The registry of the servers is known by its address; a certificate that has it is kept."""
    first = certificates.issued(deployment, "registry.pem", ["192.0.2.7", "2001:db8::7"])
    path = deployment.authority / "registry.pem"
    assert "IP Address:192.0.2.7" in names(path) and "DNS:192.0.2.7" not in names(path)
    assert certificates.issued(deployment, "registry.pem", ["192.0.2.7", "2001:db8::7"]) == first
    assert certificates.issued(deployment, "registry.pem", ["192.0.2.8"]) != first
