"""What the decision about one BuildConfig looks at: the object, its Builds, and what exists of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from paas.api.build import Phase
from paas.api.resources import Key, Manifest
from paas.builds import outcome
from paas.builds.verdict import Lost, Succeeded, Verdict
from paas.reconcile.refusal import Refusal
from paas.registry.repositories import Repositories


@dataclass(frozen=True)
class Confirmed:
    """The registry's answer about a Build's tag: its digest, or None when it has no such tag."""

    digest: str | None


@dataclass(frozen=True)
class Unconfirmed:
    """The registry could not be asked; why."""

    problem: str


@dataclass(frozen=True)
class ObservedBuild:
    """One Build and what exists of it. `taken` names a foreign object that has the name of a child,
    `secret_missing` the Secret of its source that does not exist; `has_secret` and `image` are None while
    nobody needs to know."""

    build: Manifest
    job: Manifest | None = None
    pod: Manifest | None = None
    tail: str | None = None
    image: Confirmed | Unconfirmed | None = None
    taken: str | None = None
    has_secret: bool | None = None
    secret_missing: str | None = None
    collecting: bool = False
    """Unused images of the registry are being collected, so that nobody may push."""
    pod_refusal: Refusal | None = None
    """Why the Job controller cannot make the pod."""


@dataclass(frozen=True)
class JobInputs:
    """What making a Job takes. `key` None: the platform's credential key could not be read. `repositories`
    are the project's in the registry."""

    key: bytes | None = field(repr=False)
    ca: str
    repositories: Repositories
    user_namespaces: bool
    runtimes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observed:
    """A BuildConfig (None when it was deleted and left Builds behind), its Builds, and their streams
    by name. `source_secret_missing`: the Secret that spec.source.sourceSecret names does not exist."""

    key: Key
    config: Manifest | None
    builds: tuple[ObservedBuild, ...]
    streams: Mapping[str, Manifest]
    inputs: JobInputs
    source_secret_missing: bool = False
    refusals: tuple[Refusal, ...] = ()


def phase_of(build: Manifest) -> str:
    return str((build.get("status") or {}).get("phase") or Phase.NEW)


def started(seen: ObservedBuild) -> bool:
    """Whether the Build's Job was made, recorded or not."""
    return seen.job is not None or bool((seen.build.get("status") or {}).get("job"))


def judge(seen: ObservedBuild, inputs: JobInputs, now: datetime) -> Verdict:
    """What became of a Build whose Job was made."""
    return outcome.assess(
        job=seen.job,
        pod=seen.pod,
        tail=seen.tail,
        now=now,
        runtimes=inputs.runtimes,
        refusal=seen.pod_refusal,
    )


def needs_registry(ruling: Verdict) -> bool:
    """Whether only the registry can tell how a Build ended: it pushed, or was lost perhaps after that."""
    return isinstance(ruling, (Succeeded, Lost))
