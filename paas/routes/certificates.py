"""Makes and reads the certificates of Routes: leaves of the platform's authority, one host each."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from paas.routes.tls import LIFETIME, Certificate

_SKEW = timedelta(minutes=5)  # clocks of other machines may be behind ours
LARGEST_KEY: Final = 512
"""Bytes of a key in PEM; ours have 241. Reading one checks it, which takes minutes for a large one of RSA."""
LARGEST_CHAIN: Final = 2**14
"""Bytes of a certificate and its authority's in PEM."""


@dataclass(frozen=True)
class Authority:
    """The platform's certificate authority."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @staticmethod
    def load(certificate_pem: bytes, key_pem: bytes) -> Authority:
        """Raises ValueError when these are not a certificate and an EC key."""
        key = serialization.load_pem_private_key(key_pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the key of the platform's authority must be an EC key")
        return Authority(x509.load_pem_x509_certificate(certificate_pem), key)


def issue(authority: Authority, hosts: Sequence[str], *, now: datetime) -> tuple[bytes, bytes]:
    """A new certificate (with the authority's after it) and its key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    certificate = (
        x509.CertificateBuilder()
        # The names are in the extension; a common name has a limit of 64 characters that hosts may exceed.
        .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "paas route")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(min(now + LIFETIME, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    chain = certificate.public_bytes(pem) + issuer.public_bytes(pem)
    return chain, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def read(secret: Mapping[str, Any], authority: x509.Certificate) -> Certificate | None:
    """What a Secret of type kubernetes.io/tls holds; None when that is none such as ours."""
    data = secret.get("data") or {}
    try:
        chain, private = base64.b64decode(data["tls.crt"]), base64.b64decode(data["tls.key"])
        if len(chain) > LARGEST_CHAIN or len(private) > LARGEST_KEY:
            return None
        certificate = x509.load_pem_x509_certificate(chain)
        key = serialization.load_pem_private_key(private, password=None)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return Certificate(
            hosts=frozenset(names.get_values_for_type(x509.DNSName)),
            not_after=certificate.not_valid_after_utc,
            trusted=_issued_by(certificate, authority)
            and _spki(key.public_key()) == _spki(certificate.public_key()),
        )
    except Exception:
        # The library has exceptions of its own for what it does not know, and people can write what is in the
        # Secret: whatever it is must not keep the host of others from being decided.
        return None


def _issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _spki(key: Any) -> bytes:
    found: bytes = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return found
