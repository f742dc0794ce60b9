"""Keys and certificates of an instance.

Two authorities that never sign for each other:

- the **cluster CA** for the components among themselves and the kubeconfigs;
- the **platform CA** for what people and pods see: the ingress's wildcard certificate, the registry. It is
  constrained to names under the apps' domain, `paas.internal` and `svc`, so that a user who trusts it in a
  browser trusts it for nothing else.

Besides, two bare key pairs: the ServiceAccount issuer's and the registry token issuer's (with its JWKS).
Files are written once, mode 0600, by atomic rename; leaf certificates are made again when their names
change or they would expire within `RENEW_BEFORE`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=397)  # browsers refuse longer ones
RENEW_BEFORE = timedelta(days=60)
SKEW = timedelta(minutes=5)  # clocks of other machines may be behind ours


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One certificate to hold: `name` is its file name, `authority` the CA's file name.

    `hosts` are DNS names and IP addresses; no hosts makes it a client certificate only.
    """

    name: str
    authority: str
    common_name: str
    organization: str | None = None
    hosts: tuple[str, ...] = ()


def ensure_authority(
    folder: Path, name: str, *, common_name: str, permitted: Sequence[str] = (), now: datetime | None = None
) -> Path:
    """The CA `folder/name.{crt,key}`, made if absent; returns the certificate's path.

    `permitted` are DNS suffixes it may sign for; none means any.
    """
    certificate, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    if certificate.exists() and key_file.exists():
        return certificate
    moment = now or datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - SKEW)
        .not_valid_after(moment + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if permitted:
        names = [x509.DNSName(suffix) for suffix in permitted]
        builder = builder.add_extension(
            x509.NameConstraints(permitted_subtrees=names, excluded_subtrees=None), critical=True
        )
    signed = builder.sign(key, hashes.SHA256())
    # what ends between the two writes must not leave the certificate of an earlier key
    certificate.unlink(missing_ok=True)
    _write(key_file, _pem(key))
    _write(certificate, signed.public_bytes(serialization.Encoding.PEM))
    return certificate


def ensure_leaf(folder: Path, leaf: Leaf, *, now: datetime | None = None) -> bool:
    """`folder/<name>.{crt,key}` as described; returns whether it was made now."""
    moment = now or datetime.now(UTC)
    authority = x509.load_pem_x509_certificate((folder / f"{leaf.authority}.crt").read_bytes())
    if _is_current(folder, leaf, authority, moment):
        return False
    signer = serialization.load_pem_private_key((folder / f"{leaf.authority}.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)]
    if leaf.organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, leaf.organization))
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if leaf.hosts:
        purposes.insert(0, ExtendedKeyUsageOID.SERVER_AUTH)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - SKEW)
        .not_valid_after(min(moment + LEAF_LIFETIME, authority.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if leaf.hosts:
        names = x509.SubjectAlternativeName([_general_name(host) for host in leaf.hosts])
        builder = builder.add_extension(names, critical=False)
    signed = builder.sign(signer, hashes.SHA256())
    # the key first: a process that starts must never see a certificate with the key of another one
    (folder / f"{leaf.name}.crt").unlink(missing_ok=True)
    _write(folder / f"{leaf.name}.key", _pem(key))
    _write(folder / f"{leaf.name}.crt", signed.public_bytes(serialization.Encoding.PEM))
    return True


def ensure_key_pair(folder: Path, name: str) -> Path:
    """An ES256 key pair `folder/name.{key,pub,jwks}`; returns the private key's path.

    The JWKS's only key has its RFC 7638 thumbprint as `kid`; a token's header has `key_id(...)`.
    """
    key_file = folder / f"{name}.key"
    if not key_file.exists():
        _write(key_file, _pem(ec.generate_private_key(ec.SECP256R1())))
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    public = key.public_key()
    files = {
        "pub": public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "jwks": json.dumps(
            {"keys": [{**jwk(public), "kid": key_id(public), "use": "sig", "alg": "ES256"}]}
        ).encode(),
    }
    for suffix, content in files.items():
        path = folder / f"{name}.{suffix}"
        if not path.exists() or path.read_bytes() != content:
            _write(path, content)
    return key_file


def jwk(public: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """The members that RFC 7638 hashes, in its order."""
    numbers = public.public_numbers()
    return {
        "crv": "P-256",
        "kty": "EC",
        "x": _base64url(numbers.x.to_bytes(32, "big")),
        "y": _base64url(numbers.y.to_bytes(32, "big")),
    }


def key_id(public: ec.EllipticCurvePublicKey) -> str:
    """RFC 7638 thumbprint, base64url without padding."""
    canonical = json.dumps(jwk(public), separators=(",", ":"), sort_keys=True)
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _is_current(folder: Path, leaf: Leaf, authority: x509.Certificate, moment: datetime) -> bool:
    try:
        present = x509.load_pem_x509_certificate((folder / f"{leaf.name}.crt").read_bytes())
    except (OSError, ValueError):
        return False
    if not (folder / f"{leaf.name}.key").exists() or present.not_valid_after_utc - moment < RENEW_BEFORE:
        return False
    try:
        present.verify_directly_issued_by(authority)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False  # of another authority, or of none that can be checked: it is made again
    hosts: set[str] = set()
    with contextlib.suppress(x509.ExtensionNotFound):
        names = present.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = {str(name.value) for name in names}
    return hosts == set(leaf.hosts)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    """Private from its first byte on, and whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    staging = path.with_name(path.name + ".part")
    staging.unlink(missing_ok=True)
    descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    staging.rename(path)
