"""A server that a test may kill, stop and misuse."""

from __future__ import annotations

from tests.support.git_server import own_server

__all__ = ["own_server"]
