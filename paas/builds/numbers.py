"""Numbers of Builds: each BuildConfig counts its own, and no number is used twice. Pure.

Whoever may make Builds may make one with any number. One that is near the largest that there is must not
become the last that there can be: a number beyond LARGEST is not counted, and its Build is not run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from paas.api.resources import Manifest

LARGEST: Final = 2_000_000_000
"""The largest number that the platform makes; a Build's number has 31 bits."""


def number_of(build: Manifest) -> int:
    return int(build["spec"]["number"])


def counts(build: Manifest) -> bool:
    """Whether it has a number that the platform may have given it."""
    return number_of(build) <= LARGEST


def highest_number(config: Manifest, builds: Iterable[Manifest]) -> int:
    """The highest number ever used, 0 before the first; those of a deleted namesake hold their names, too."""
    last = int((config.get("status") or {}).get("lastVersion") or 0)
    return max([last if last <= LARGEST else 0, *(number_of(build) for build in builds if counts(build))])
