"""Certificates of Routes: made by the platform's authority, read back, and verified by TLS itself."""

from __future__ import annotations

import base64
import random
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

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


def rsa_key(bits: int) -> bytes:
    """An RSA key whose factors are no primes but have no small divisor: whoever checks them works long."""
    chance, small = random.Random(1), range(3, 2000, 2)

    def factor() -> int:
        while True:
            number = chance.getrandbits(bits) | 1 << (bits - 1) | 1
            if all(number % divisor for divisor in small):
                return number

    first, second = factor(), factor()
    return pem("RSA PRIVATE KEY", sequence(0, first * second, 65537, 3, first, second, 3, 3, 3))


def pem(what: str, der: bytes) -> bytes:
    return f"-----BEGIN {what}-----\n{base64.encodebytes(der).decode()}-----END {what}-----\n".encode()


def tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    counted = size.to_bytes((size.bit_length() + 7) // 8, "big")
    length = bytes([size]) if size < 128 else bytes([0x80 | len(counted)]) + counted
    return bytes([tag]) + length + content


def sequence(*numbers: int) -> bytes:
    parts = (number.to_bytes(number.bit_length() // 8 + 1, "big") for number in numbers)
    return tagged(0x30, b"".join(tagged(2, part) for part in parts))


def of_unknown_kind() -> bytes:
    """A key of an algorithm that nobody has heard of."""
    algorithm = tagged(0x30, tagged(6, b"\x2a\x03\x04\x05"))
    return pem("PRIVATE KEY", tagged(0x30, tagged(2, b"\0") + algorithm + tagged(4, b"abc")))


def with_an_extension_twice() -> bytes:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.99"), b"\x04\0"), critical=False
        )
    )
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return pem("CERTIFICATE", der.replace(b"\x55\x1d\x63", b"\x55\x1d\x11"))


def test_a_secret_that_a_person_wrote_costs_nothing_and_raises_nothing():
    """Else the Route that waits for another's host would keep that host from being decided."""
    certificate, key = issue(AUTHORITY, [HOST], now=NOW)
    began = time.process_time()
    for chain, private in (
        (certificate, rsa_key(20_000)),
        (certificate, of_unknown_kind()),
        (with_an_extension_twice(), key),
        (certificate * 1000, key),
    ):
        assert read(secret(chain, private), AUTHORITY.certificate) is None
    assert time.process_time() - began < 2
