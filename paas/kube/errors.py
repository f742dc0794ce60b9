"""What the API server refuses, and that it cannot be reached: one exception type per kind of refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping


class ClusterUnreachable(Exception):
    """No answer from the API server, or no configuration that says where it is."""


class ApiError(Exception):
    """The API server refused: HTTP `status`, `reason` (a word) and `message` (a sentence)."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.retry_after = status, reason, message, retry_after

    @property
    def is_passing(self) -> bool:
        """It is about the server, which is busy or ill, and not about what was asked: the same may be
        answered soon."""
        return self.status == 429 or self.status >= 500


class NotFound(ApiError): ...


class Conflict(ApiError): ...


class AlreadyExists(Conflict): ...


class Expired(ApiError): ...


class Unauthorized(ApiError): ...


class Forbidden(ApiError): ...


class DeniedByPolicy(Forbidden):
    """A ValidatingAdmissionPolicy refused; `words` is what it says about it."""

    def __init__(self, forbidden: ApiError, words: str) -> None:
        super().__init__(forbidden.status, forbidden.reason, forbidden.message, forbidden.retry_after)
        self.words = words


class Invalid(ApiError): ...


class NotUnicode(Invalid):
    """Nothing was sent: the text at `path` of the object is not Unicode (a lone surrogate)."""

    def __init__(self, path: str) -> None:
        shown = path.encode(errors="replace").decode()
        super().__init__(422, "NotUnicode", f"{shown or 'the object'}: the text is not valid UTF-8")
        self.path = path


_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Expired, 422: Invalid,
}  # fmt: skip


_POLICY = re.compile(
    r"ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request: (?P<words>.+)", re.DOTALL
)
"""How the API server says that a policy refused; the policy's own words come last."""


def error_of(status: int, body: bytes, retry_after: str | None = None) -> ApiError:
    """The exception for a refusal; `body` is a metav1.Status or any text."""
    try:
        answer = json.loads(body)
        reason, message = str(answer.get("reason") or ""), str(answer.get("message") or "")
    except (ValueError, AttributeError):
        reason, message = "", body.decode(errors="replace")[:500].strip()
    cls = AlreadyExists if reason == "AlreadyExists" else _BY_STATUS.get(status, ApiError)
    seconds = seconds_of(retry_after)
    error = cls(status, reason or f"HTTP{status}", message or f"HTTP {status}", seconds)
    if isinstance(error, Forbidden) and (denied := _POLICY.search(message)):
        return DeniedByPolicy(error, denied["words"])
    return error


def seconds_of(retry_after: str | None) -> float | None:
    """A Retry-After header in seconds, which may be very many; None without one, or when it is a date."""
    given = retry_after or ""
    return float(given) if given.isascii() and given.isdigit() else None
