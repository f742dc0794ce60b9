"""What `expose` waits for."""

from __future__ import annotations

from typing import Any

import pytest

from paas.routes.published import Published, Refused, decision

URL = "https://www.example.com"


def route(url: str = "", **conditions: tuple[str, str, str]) -> dict[str, Any]:
    listed = [
        {"type": kind, "status": status, "reason": reason, "message": message}
        for kind, (status, reason, message) in conditions.items()
    ]
    return {"status": {"url": url, "conditions": listed}}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (None, ""),
        ({}, ""),
        (route(URL, Admitted=("True", "Admitted", ""), Ready=("True", "Reconciled", "")), Published(URL)),
        (
            route(Admitted=("False", "HostAlreadyClaimed", "demo/shop has it"), Ready=("False", "x", "y")),
            Refused("HostAlreadyClaimed", "demo/shop has it"),
        ),
        (
            route(
                URL, Admitted=("True", "Admitted", ""), Ready=("False", "CertificateUnavailable", "no"),
                Stalled=("True", "CertificateUnavailable", "browsers will warn"),
            ),
            Published(URL, "browsers will warn"),
        ),
        (route(Stalled=("True", "InvalidSpec", "bad")), Refused("InvalidSpec", "bad")),
        (
            route(Admitted=("True", "Admitted", ""), Ready=("False", "AddressPending", "no address yet")),
            "no address yet",
        ),
    ],
)  # fmt: skip
def test_published_refused_or_waiting(found: dict[str, Any] | None, wanted: object) -> None:
    assert decision(found) == wanted
