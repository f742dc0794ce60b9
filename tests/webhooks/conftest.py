"""A server with hosted repositories and webhooks."""

from __future__ import annotations

from tests.support.git_server import own_server, server

__all__ = ["own_server", "server"]
