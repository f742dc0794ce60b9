"""A request that is answered with a refusal: raised wherever that becomes clear, answered in one place."""

from __future__ import annotations

Headers = list[tuple[bytes, bytes]]


class Refused(Exception):
    """HTTP status, what the user reads, and headers that go with it."""

    def __init__(self, status: int, message: str, headers: Headers | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or []
