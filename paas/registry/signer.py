"""Signs registry tokens: JWT with ES256, by a key of which the registry holds the public half.

The registry's token authentication is given a JWKS whose key has its RFC 7638 thumbprint as `kid`; the
header of every token names it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

ALGORITHM = "ES256"
_SIZE = 32  # bytes of a P-256 coordinate


class Signer:
    """Signs with one private key."""

    def __init__(self, key_pem: bytes) -> None:
        """`key_pem`: PEM of a P-256 private key without a passphrase. Raises ValueError otherwise."""
        key = serialization.load_pem_private_key(key_pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("the key that signs registry tokens must be an EC key on P-256")
        self._key = key
        self.key_id = key_id(key.public_key())
        self.jwks = {"keys": [{**jwk(key.public_key()), "kid": self.key_id, "use": "sig", "alg": ALGORITHM}]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The compact JWT of these claims."""
        header = {"typ": "JWT", "alg": ALGORITHM, "kid": self.key_id}
        payload = f"{_encode(_json(header))}.{_encode(_json(claims))}"
        r, s = utils.decode_dss_signature(self._key.sign(payload.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{payload}.{_encode(r.to_bytes(_SIZE, 'big') + s.to_bytes(_SIZE, 'big'))}"


def jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """The public key as a JWK: the members that RFC 7638 hashes."""
    numbers = key.public_numbers()
    x, y = (_encode(number.to_bytes(_SIZE, "big")) for number in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """RFC 7638 thumbprint, base64url without padding."""
    canonical = json.dumps(jwk(key), separators=(",", ":"), sort_keys=True)
    return _encode(hashlib.sha256(canonical.encode()).digest())


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
