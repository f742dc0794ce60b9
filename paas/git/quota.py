"""How large repositories may become. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EMPTY_PACK: Final = 32
"""Bytes of a pack without objects: a branch that moves to what is there, or goes away, is never refused."""


@dataclass(frozen=True)
class Quota:
    """Bytes of one repository, and of all repositories of a project; 0 is no limit."""

    repository: int = 0
    project: int = 0


UNLIMITED: Final = Quota()


@dataclass(frozen=True)
class OverQuota:
    """A push is too much: for the repository, or (`of_project`) for its project."""

    of_project: bool
    has: int
    adds: int
    limit: int


def over(quota: Quota, *, adds: int, repository: int, project: int) -> OverQuota | None:
    """Why a push of so many bytes is too much, for its repository or its project; None: it is not."""
    if adds <= EMPTY_PACK:
        return None
    if quota.repository and repository + adds > quota.repository:
        return OverQuota(False, repository, adds, quota.repository)
    if quota.project and project + adds > quota.project:
        return OverQuota(True, project, adds, quota.project)
    return None
