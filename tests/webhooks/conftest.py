"""The server that deliveries come to."""

from __future__ import annotations

from tests.support.git_server import server

__all__ = ["server"]
