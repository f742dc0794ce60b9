"""Whether an error of the image builder says that a part of the platform was away. Pure.

The registry and the token endpoint are parts of ours. When one did not answer, or answered that it cannot
now, the build says nothing about the source: it is run again. A refusal (who is this, may they) is an
answer, and stays one.
"""

from __future__ import annotations

import re
from typing import Final

TOKENS: Final = "/registry/token"
"""Path of the token endpoint, which an error names when it was that."""
_NO_ANSWER: Final = re.compile(
    r"connection refused|connection reset|broken pipe|no route to host|network is unreachable|"
    r"i/o timeout|TLS handshake timeout|context deadline exceeded|Client\.Timeout exceeded|"
    r"no such host|server misbehaving|Temporary failure in name resolution|"
    r"\b(?:unexpected )?EOF\b|use of closed network connection|server closed idle connection|"
    r"http2: |GOAWAY|stream error|transport connection broken"
)
_CANNOT_NOW: Final = re.compile(
    r"unexpected status code (?:429|5\d\d)\b|\b(?:500 Internal Server Error|502 Bad Gateway|"
    r"503 Service Unavailable|504 Gateway Timeout|429 Too Many Requests)\b|"
    r"\b(?:UNAVAILABLE|TOOMANYREQUESTS)\b|no available server"
)
_NO_ROUTE: Final = re.compile(r"/registry/token\S*: unexpected status code 404\b")
"""An ingress controller that has just started knows no address yet; the endpoint itself never says this."""


def unreachable(error: str, hosts: tuple[str, ...] = ()) -> bool:
    """Whether `error` (the builder's own words, nothing that a step printed) says so. With `hosts`, only when
    it is about one of them: what is not of the platform is no business of the platform."""
    if hosts and not any(host in error for host in hosts):
        return False
    return bool(_NO_ANSWER.search(error) or _CANNOT_NOW.search(error) or _NO_ROUTE.search(error))
