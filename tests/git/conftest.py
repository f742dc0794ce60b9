"""A server with a hosted application, and a developer's clone."""

from __future__ import annotations

from tests.support.git_server import app, clone, own_server, server

__all__ = ["app", "clone", "own_server", "server"]
