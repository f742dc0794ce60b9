"""Keys and certificates: private, good by OpenSSL's own rules, renewed in time, and not before."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from paas.node import pki
from paas.node.pki import Leaf

DOMAIN = "apps.localhost"
WILDCARD = Leaf(
    name="ingress", authority="platform-ca", common_name="x", hosts=(f"*.{DOMAIN}", "paas.paas.internal")
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pki.ensure_authority(
        tmp_path / "pki", "platform-ca", common_name="test", permitted=(DOMAIN, "paas.internal", "svc")
    )
    return tmp_path / "pki"


def shake(folder: Path, leaf: str, host: str) -> None:
    """A TLS handshake over a socket pair, the client trusting the platform CA alone."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / f"{leaf}.crt", folder / f"{leaf}.key")
    client = ssl.create_default_context(cafile=str(folder / "platform-ca.crt"))
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(there, server_side=True).close()
        except (ssl.SSLError, OSError):
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(here, server_hostname=host).close()
    finally:
        here.close()
        thread.join()


@pytest.mark.parametrize("host", ["shop-demo.apps.localhost", "paas.paas.internal"])
def test_names_of_the_platform_verify(folder: Path, host: str) -> None:
    pki.ensure_leaf(folder, WILDCARD)
    shake(folder, "ingress", host)


def test_the_authority_is_good_for_nothing_else(folder: Path) -> None:
    pki.ensure_leaf(
        folder, Leaf(name="evil", authority="platform-ca", common_name="x", hosts=("bank.example",))
    )
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        shake(folder, "evil", "bank.example")


def test_keys_are_private(folder: Path) -> None:
    pki.ensure_leaf(folder, WILDCARD)
    pki.ensure_key_pair(folder, "service-account")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_nothing_is_made_anew_in_vain(folder: Path) -> None:
    assert pki.ensure_leaf(folder, WILDCARD)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert not pki.ensure_leaf(folder, WILDCARD)
    pki.ensure_authority(folder, "platform-ca", common_name="test")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(("days", "renewed"), [(0, False), (300, False), (340, True), (500, True)])
def test_a_certificate_is_renewed_before_it_expires(folder: Path, days: int, renewed: bool) -> None:
    now = datetime.now(UTC)
    pki.ensure_leaf(folder, WILDCARD, now=now)
    assert pki.ensure_leaf(folder, WILDCARD, now=now + timedelta(days=days)) is renewed


def test_other_names_or_another_authority_make_another_certificate(folder: Path) -> None:
    pki.ensure_leaf(folder, WILDCARD)
    other = Leaf(name="ingress", authority="platform-ca", common_name="x", hosts=("*.apps.localhost",))
    assert pki.ensure_leaf(folder, other)
    (folder / "platform-ca.crt").unlink()
    pki.ensure_authority(folder, "platform-ca", common_name="test")
    assert pki.ensure_leaf(folder, other)


def test_a_torn_certificate_is_replaced(folder: Path) -> None:
    pki.ensure_leaf(folder, WILDCARD)
    (folder / "ingress.crt").write_text("-----BEGIN CERTIFICATE-----\nnonsense")
    assert pki.ensure_leaf(folder, WILDCARD)
    shake(folder, "ingress", "a-b.apps.localhost")


def test_the_registry_knows_the_token_key_by_its_thumbprint(folder: Path) -> None:
    path = pki.ensure_key_pair(folder, "registry-token")
    key = load_pem_private_key(path.read_bytes(), None)
    [public] = json.loads((folder / "registry-token.jwks").read_text())["keys"]
    assert public["kid"] == pki.key_id(key.public_key())  # type: ignore[arg-type]
    assert (public["kty"], public["crv"], public["alg"]) == ("EC", "P-256", "ES256")


def test_client_certificates_are_not_for_servers(folder: Path) -> None:
    pki.ensure_leaf(folder, Leaf(name="admin", authority="platform-ca", common_name="a", organization="o"))
    certificate = x509.load_pem_x509_certificate((folder / "admin.crt").read_bytes())
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [purpose._name for purpose in usage] == ["clientAuth"]


def test_an_authority_whose_making_broke_off_is_made_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk between the two writes left the certificate of an earlier key, and nothing it signed for
    was ever believed again."""
    certificate = pki.ensure_authority(tmp_path, "ca", common_name="test")
    (tmp_path / "ca.key").unlink()
    write = pki._write

    def full(path: Path, content: bytes) -> None:
        if path == certificate:
            raise OSError("no space left on device")
        write(path, content)

    monkeypatch.setattr(pki, "_write", full)
    with pytest.raises(OSError, match="no space"):
        pki.ensure_authority(tmp_path, "ca", common_name="test")
    monkeypatch.setattr(pki, "_write", write)
    pki.ensure_authority(tmp_path, "ca", common_name="test")
    leaf = Leaf(name="client", authority="ca", common_name="x")
    assert pki.ensure_leaf(tmp_path, leaf)
    assert not pki.ensure_leaf(tmp_path, leaf), "it is believed, so it is not made again"
