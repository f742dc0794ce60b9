"""What became of a Build whose Job was created. Pure.

    UnderWay    it goes on
    Succeeded   Kaniko ended well and claims a digest; it counts only once the registry confirms it
    Failed      the build was carried out and failed, or can never be: doing it again would not help
    Lost        its node or pod was taken away, or a part of the platform was away: the registry may have the
                image, else it runs again once

Messages say what happened, why, and what to do next.
"""

from __future__ import annotations

from dataclasses import dataclass

from paas.api.build import Phase
from paas.api.names import Reason


@dataclass(frozen=True)
class UnderWay:
    """The build goes on. `recheck`: seconds after which to look again though nothing changed."""

    phase: Phase
    reason: Reason
    message: str
    started: str | None = None
    recheck: float | None = None
    blocked: str | None = None
    """What a person has to do, or it does not go on; the message says why."""


@dataclass(frozen=True)
class Succeeded:
    """The pod ended well. `digest` is what it claims, None when the pod is gone."""

    digest: str | None
    finished: str | None


@dataclass(frozen=True)
class Failed:
    """The build failed for good."""

    reason: Reason
    message: str
    snippet: str | None = None
    finished: str | None = None
    more_in_log: bool = False
    """The log says more than the message does; whoever shows the message names the command."""
    again: str | None = None
    """That another Build may help, in words that the command which starts one follows."""


@dataclass(frozen=True)
class Lost:
    """The pod was taken away before it ended by itself."""

    reason: Reason
    message: str
    """What happened; whether the build is run again depends on the Build."""
    finished: str | None = None


Verdict = UnderWay | Succeeded | Failed | Lost
