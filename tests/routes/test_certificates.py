"""Certificates of Routes: made by the platform's authority, read back, and verified by TLS itself."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization

from paas.routes.certificates import Authority, issue, read
from tests.support.authority import new_authority

NOW = datetime.now(UTC).replace(microsecond=0)
HOST = "a.b.apps.test"


def authority() -> Authority:
    return Authority.load(*new_authority(["apps.test"], now=NOW))


AUTHORITY = authority()


def secret(certificate: bytes, key: bytes) -> dict:
    return {
        "data": {
            "tls.crt": base64.b64encode(certificate).decode(),
            "tls.key": base64.b64encode(key).decode(),
        }
    }


def test_what_was_issued_is_read_back():
    found = read(secret(*issue(AUTHORITY, [HOST], now=NOW)), AUTHORITY.certificate)
    assert found is not None
    assert (found.hosts, found.trusted) == ({HOST}, True)
    assert found.not_after == NOW + timedelta(days=90)


def test_no_certificate_outlives_its_authority():
    late = NOW + timedelta(days=300)
    found = read(secret(*issue(AUTHORITY, [HOST], now=late)), AUTHORITY.certificate)
    assert found is not None
    assert found.not_after == AUTHORITY.certificate.not_valid_after_utc


def test_t11_another_authoritys_certificate_is_not_trusted():
    found = read(secret(*issue(authority(), [HOST], now=NOW)), AUTHORITY.certificate)
    assert found is not None
    assert not found.trusted


def test_t11_a_key_of_another_certificate_is_not_trusted():
    certificate, _ = issue(AUTHORITY, [HOST], now=NOW)
    _, key = issue(AUTHORITY, [HOST], now=NOW)
    found = read(secret(certificate, key), AUTHORITY.certificate)
    assert found is not None
    assert not found.trusted


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"data": None},
        {"data": {"tls.crt": "!", "tls.key": "!"}},
        secret(b"nonsense", b"nonsense"),
        {"data": {"tls.crt": secret(*issue(AUTHORITY, [HOST], now=NOW))["data"]["tls.crt"]}},
    ],
)
def test_what_is_no_certificate_and_key_reads_as_none(broken):
    assert read(broken, AUTHORITY.certificate) is None


@pytest.mark.parametrize(("host", "accepted"), [(HOST, True), ("other.b.apps.test", False)])
def test_a_client_that_trusts_the_authority_accepts_it_for_its_host_only(tmp_path, host, accepted):
    certificate, key = issue(AUTHORITY, [HOST], now=NOW)
    (tmp_path / "chain.pem").write_bytes(certificate + key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "chain.pem")
    client = ssl.create_default_context(
        cadata=AUTHORITY.certificate.public_bytes(serialization.Encoding.PEM).decode()
    )
    left, right = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(left, server_side=True).close()
        except OSError:
            left.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        if accepted:
            with client.wrap_socket(right, server_hostname=host) as connection:
                assert connection.getpeercert()["subjectAltName"] == (("DNS", HOST),)
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                client.wrap_socket(right, server_hostname=host)
    finally:
        right.close()
        thread.join(timeout=10)
