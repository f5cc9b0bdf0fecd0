"""TLS at the edge, and the way from plain HTTP to it."""

import socket
import ssl

import httpx
import pytest

SECONDS = 5


@pytest.fixture
def handshake(stack):
    """A function (context, name) that returns the TLS version of a handshake with the edge."""

    def shake(context, name=stack.host):
        with (
            socket.create_connection((stack.host, stack.port), SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=name) as secured,
        ):
            return secured.version()

    return shake


def context(stack, version):
    """A client of exactly one TLS VERSION that verifies the certificate."""
    made = ssl.create_default_context(cafile=str(stack.ca) if stack.ca else None)
    # Debian's OpenSSL refuses versions below 1.2 by itself: what is tested is the edge.
    made.set_ciphers("ALL:@SECLEVEL=0")
    made.minimum_version = made.maximum_version = version
    return made


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda each: each.name
)
def test_modern_tls_is_spoken(stack, handshake, version):
    assert handshake(context(stack, version)) == version.name.replace("_", ".")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=lambda each: each.name
)
def test_old_tls_is_refused(stack, handshake, version):
    with pytest.raises(ssl.SSLError) as refusal:
        handshake(context(stack, version))
    assert refusal.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION", refusal.value


def test_certificate_is_for_this_host_only(stack, handshake):
    with pytest.raises(ssl.SSLCertVerificationError, match=r"[Hh]ostname mismatch"):
        handshake(context(stack, ssl.TLSVersion.TLSv1_3), "unknown.example")


def test_certificate_needs_its_authority(stack, handshake):
    if stack.ca is None:
        pytest.skip("the certificate of this stack is signed by an authority that everybody trusts")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|unable to get local issuer"):
        handshake(ssl.create_default_context())


def test_http2_is_negotiated(stack):
    with httpx.Client(http2=True, verify=context(stack, ssl.TLSVersion.TLSv1_3)) as client:
        answer = client.get(f"{stack.url}/login/")
    assert (answer.http_version, answer.status_code) == ("HTTP/2", 200)


@pytest.fixture
def plain(stack, request_as_is):
    """A function (method, target, …) for one request over plain HTTP."""
    if stack.plain_port is None:
        pytest.skip("the port of plain HTTP is not known: it is 80 where HTTPS is on 443, or give --project")

    def send(method, target, headers=(), **options):
        return request_as_is(method, target, headers, plain=True, **options)

    return send


def test_plain_http_leads_to_https(stack, plain):
    answer = plain("GET", "/rooms/lobby/?before=3")
    assert answer.status in (301, 308)
    assert answer.headers["location"] == f"{stack.url}/rooms/lobby/?before=3"


def test_form_sent_over_plain_http_keeps_its_method(plain):
    assert plain("POST", "/login/", [("Content-Length", "0")]).status == 308


@pytest.mark.parametrize("host", ["unknown.example", "localhost.unknown.example", "user@localhost", ""])
def test_unknown_host_is_refused(request_as_is, host):
    answer = request_as_is("GET", "/login/", host=host or " ")
    assert answer.status in (400, 421), f"{answer.status}\n{answer.body[:300]}"


def test_unknown_host_is_refused_over_plain_http(plain):
    answer = plain("GET", "/", host="unknown.example")
    assert answer.status == 421 and "location" not in answer.headers, answer.headers
