"""The git hosts whose webhooks are answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from paas.webhooks.generic import Generic
from paas.webhooks.github import GitHub
from paas.webhooks.host import GitHost

HOSTS: Final[Mapping[str, GitHost]] = {host.name: host for host in (GitHub(), Generic())}
"""By the last part of a webhook's address."""
