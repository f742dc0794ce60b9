"""The status of a Build: what changed, why it waits, how it ended. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from paas.api.build import KIND, TERMINAL, BuildStatus, Phase
from paas.api.names import Condition, Reason
from paas.api.resources import BUILD, Manifest, key_of
from paas.builds import outcome
from paas.builds.snapshot import ObservedBuild
from paas.reconcile import conditions
from paas.reconcile.plan import Action, Event, Requeue
from paas.reconcile.status import ConditionTable

TABLE: Final = ConditionTable(KIND, summary=Condition.SUCCEEDED)


BLOCKED: Final = timedelta(minutes=10)
"""For how long a Build waits for what only a person can bring. The builds behind it wait, too, and may well
be the correction."""


def blocked(
    seen: ObservedBuild, phase: Phase, reason: Reason, why: str, hint: str, now: datetime
) -> list[Action]:
    """The Status of a Build that goes on when a person does what `hint` says, and its end when nobody does
    for long. `why` is what stands in the way."""
    since = (seen.build.get("status") or {}).get("blockedSince") or conditions.timestamp(now)
    left = conditions.parse_time(since) + BLOCKED - now
    minutes = round(BLOCKED.total_seconds() / 60)
    if left <= timedelta(0):
        return given_up(
            seen, reason, f"{why}; nothing changed for {minutes} minutes, so it was given up", hint, now
        )
    text = f"{why}; {hint}, and the build goes on by itself; after {minutes} minutes it is given up"
    changes = changed(seen, now, phase=phase, reason=reason, message=text, blocked_since=since)
    return [*changes, Requeue(left.total_seconds())]


def given_up(seen: ObservedBuild, reason: Reason, why: str, hint: str, now: datetime) -> list[Action]:
    """The end of a Build that could not be started; nothing of it is wrong, so it can be built again."""
    again = f"then start another build: {start_command(seen.build)}"
    return ended(seen, Phase.ERROR, reason, f"{why}; {hint}, {again}", now)


def waiting(seen: ObservedBuild, reason: Reason, message: str, now: datetime) -> list[Action]:
    """The Status of a Build that cannot start yet."""
    return changed(seen, now, phase=Phase.NEW, reason=reason, message=message)


def ended(
    seen: ObservedBuild,
    phase: Phase,
    reason: Reason,
    message: str,
    now: datetime,
    finished: str | None = None,
    *,
    more_in_log: bool = False,
    again: str | None = None,
    **more: Any,
) -> list[Action]:
    """The last Status of a Build, and the Event that tells how it ended. The Event and the condition, which
    stand alone, name the command that shows the log; `status.message` does not: who shows it names it. All
    three name the command that starts another Build, after the words `again`."""
    build = seen.build
    if again is not None:
        message = f"{message}; {again}: {start_command(build)}"
    told = f"{message}; see: {_log_command(build)}" if more_in_log else message
    stored = build.get("status") or {}
    completed = finished or conditions.timestamp(now)
    begun = stored.get("startTimestamp") or _pod_start(seen)
    duration = None
    if begun:
        seconds = (conditions.parse_time(completed) - conditions.parse_time(begun)).total_seconds()
        duration = max(0, round(seconds))  # clocks of nodes differ
    actions = changed(
        seen,
        now,
        told=told,
        phase=phase,
        reason=reason,
        message=message,
        start_timestamp=begun,
        completion_timestamp=completed,
        duration=duration,
        **more,
    )
    well = phase in (Phase.COMPLETE, Phase.CANCELLED)
    event = Event(
        BUILD, key_of(build), build["metadata"]["uid"], reason, told, "Normal" if well else "Warning"
    )
    return [*actions, event]


def changed(
    seen: ObservedBuild,
    now: datetime,
    *,
    told: str | None = None,
    blocked_since: str | None = None,
    **changes: Any,
) -> list[Action]:
    """The Status that brings `changes` (None: as it was), or nothing when it is so already. `told` is what
    the condition says when that is not the message; without `blocked_since` nothing blocks it."""
    build = seen.build
    stored = build.get("status") or {}
    fresh = {name: value for name, value in changes.items() if value is not None}
    pod, report = seen.pod, outcome.report_of(seen.pod)
    git = ((build["spec"].get("revision") or {}).get("git")) or {}
    facts = {
        "observed_generation": build["metadata"].get("generation"),
        "job": seen.job["metadata"]["name"] if seen.job else None,
        "pod": pod["metadata"]["name"] if pod else None,
        "commit": (report.commit if report else None) or git.get("commit"),
        "content_key": (report.content_key if report else None) or build["spec"].get("contentKey"),
        "buildpack": (report.buildpack if report else None) or build["spec"].get("buildpack"),
    }
    known = {name: value for name, value in facts.items() if value is not None}
    before = BuildStatus.model_validate({key: value for key, value in stored.items() if key != "conditions"})
    after = before.model_copy(update={**known, **fresh, "blocked_since": blocked_since})
    truth: conditions.Truth = "Unknown"
    if after.phase in TERMINAL:
        truth = "True" if after.phase == Phase.COMPLETE else "False"
    wanted = conditions.Wanted(
        Condition.SUCCEEDED, truth, Reason(after.reason or Reason.BUILD_QUEUED), told or after.message or ""
    )
    return TABLE.write(build, {**after.dump(), "conditions": TABLE.conditions(build, [wanted], now=now)})


def start_command(build: Manifest) -> str:
    """What to type for another Build of the same BuildConfig."""
    return f"paas start-build {build['spec']['buildConfig']} -n {build['metadata']['namespace']}"


def _log_command(build: Manifest) -> str:
    return f"paas logs build/{build['metadata']['name']} -n {build['metadata']['namespace']}"


def _pod_start(seen: ObservedBuild) -> str | None:
    return ((seen.pod or {}).get("status") or {}).get("startTime")
