"""A part of the platform that was away is told from one that refused."""

from __future__ import annotations

import pytest

from paas.builds.unreachable import unreachable

REGISTRY = "registry.paas.internal:5000"
TOKEN = "GET https://paas.paas.internal/registry/token?scope=repository%3Ademo%2Fshop%3Apush%2Cpull&service=x"
PUSHING = f"failed to push to destination {REGISTRY}/demo/shop:uid: "


@pytest.mark.parametrize(
    "error",
    [
        f'{PUSHING}Get "https://{REGISTRY}/v2/": dial tcp 10.0.0.1:5000: connect: connection refused',
        f'{PUSHING}Get "https://{REGISTRY}/v2/": dial tcp: lookup registry.paas.internal: no such host',
        f'{PUSHING}Get "https://{REGISTRY}/v2/": net/http: TLS handshake timeout',
        f'{PUSHING}Put "https://{REGISTRY}/v2/demo/shop/blobs/uploads/x": EOF',
        f'{PUSHING}Patch "https://{REGISTRY}/v2/x": write tcp 10.0.0.9:1->10.0.0.1:5000: write: broken pipe',
        f'{PUSHING}Patch "https://{REGISTRY}/v2/x": read tcp: read: connection reset by peer',
        f'{PUSHING}Head "https://{REGISTRY}/v2/x": dial tcp 10.0.0.1:5000: i/o timeout',
        f"{PUSHING}{TOKEN}: unexpected status code 502 Bad Gateway: Bad Gateway",
        f"{PUSHING}{TOKEN}: unexpected status code 503 Service Unavailable: no available server",
        f"{PUSHING}{TOKEN}: unexpected status code 504 Gateway Timeout: Gateway Timeout",
        f"{PUSHING}{TOKEN}: unexpected status code 404 Not Found: 404 page not found",
        f"{PUSHING}{TOKEN}: unexpected status code 429 Too Many Requests",
        f'{PUSHING}Get "https://paas.paas.internal/registry/token": context deadline exceeded',
        f"{PUSHING}PUT https://{REGISTRY}/v2/demo/shop/manifests/uid: unexpected status code 500 Internal "
        "Server Error: UNKNOWN: unknown error",
        f"{PUSHING}PUT https://{REGISTRY}/v2/x: UNAVAILABLE: service unavailable",
    ],
)
def test_no_answer_and_cannot_now(error: str) -> None:
    assert unreachable(error)
    assert unreachable(error, (REGISTRY, "paas.paas.internal"))
    assert not unreachable(error, ("ghcr.io",))


@pytest.mark.parametrize(
    "error",
    [
        "",
        f"{PUSHING}{TOKEN}: unexpected status code 401 Unauthorized: a build that has ended",
        f"{PUSHING}POST https://{REGISTRY}/v2/x/blobs/uploads/: UNAUTHORIZED: authentication required",
        f"{PUSHING}POST https://{REGISTRY}/v2/demo/shop/blobs/uploads/: DENIED: requested access is denied",
        f"{PUSHING}PUT https://{REGISTRY}/v2/demo/shop/manifests/x: MANIFEST_INVALID: manifest invalid",
        f"{PUSHING}HEAD https://{REGISTRY}/v2/x: unexpected status code 404 Not Found",
        f'{PUSHING}Get "https://{REGISTRY}/v2/": tls: failed to verify certificate: x509: certificate signed '
        "by unknown authority",
        f"{PUSHING}PUT https://{REGISTRY}/v2/x: unexpected status code 413 Request Entity Too Large",
        f"{PUSHING}PUT https://{REGISTRY}/v2/x: unexpected status code 403 Forbidden",
        f"{PUSHING}blob sha256:5025030042950450 unknown to registry",
    ],
)
def test_a_refusal_is_an_answer(error: str) -> None:
    assert not unreachable(error)
