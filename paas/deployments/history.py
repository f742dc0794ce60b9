"""What rollouts have come to, in lines for people, and which revision can be gone back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from paas.api.resources import Key, Manifest
from paas.terminal.output import Table, age
from paas.terminal.problem import ExitCode, Problem, not_found


def verdict(config: Mapping[str, Any]) -> tuple[str, ExitCode | None]:
    """One line about the current rollout, and the exit code once it is over (None: not yet)."""
    state = config.get("status") or {}
    name, rollout, wanted = (
        config["metadata"]["name"],
        state.get("rollout"),
        config["spec"].get("replicas", 1),
    )
    ready = next((c for c in state.get("conditions") or () if c["type"] == "Ready"), None)
    message = str((ready or {}).get("message") or "")
    behind = state.get("observedGeneration", 0) < config["metadata"].get("generation", 0)
    if not rollout:
        return f"{name}: no rollout yet" + (f": {message}" if message else ""), None
    what = f"{name} revision {rollout['revision']}: {rollout['phase']}"
    counts = (
        f"{state.get('updatedReplicas') or 0} of {wanted} updated, {state.get('readyReplicas') or 0} ready"
    )
    if behind:
        return f"{name}: the latest change has not been seen yet", None
    if rollout["phase"] == "Complete":
        return f"{what}, {counts}", ExitCode.OK
    if rollout["phase"] == "Failed":
        problems = "; ".join(problem["message"] for problem in rollout.get("problems") or ())
        why = problems or str(rollout.get("message") or rollout.get("reason") or message)
        return f"{what}: {why}" if why else what, ExitCode.FAILED
    return f"{what}, {counts}", None


def history_table(config: Mapping[str, Any], revisions: Sequence[Manifest], now: datetime) -> Table:
    """REVISION, STATUS, BUILD, COMMIT, CAUSE, AGE; the serving one is marked."""
    from paas.deployments.revision import history_row

    state = config.get("status") or {}
    ended = {
        run["revision"]: run for run in (*(state.get("history") or ()), state.get("rollout") or {}) if run
    }
    table = Table(
        ["REVISION", "STATUS", "BUILD", "COMMIT", "CAUSE", "AGE", "IMAGE"], wide=frozenset({"IMAGE"})
    )
    for manifest in revisions:
        row = history_row(manifest)
        number = row["revision"]
        phase = (ended.get(number) or {}).get("phase") or "-"
        marks = ["serving"] if number == state.get("activeRevision") else []
        marks += ["held"] if number == (state.get("hold") or {}).get("revision") else []
        table.rows.append(
            [
                str(number),
                phase + (f" ({', '.join(marks)})" if marks else ""),
                row["build"],
                (row["commit"] or "")[:7],
                row["causes"],
                age(row["created"], now),
                ", ".join(row["images"].values()),
            ]
        )
    return table


def target_revision(
    config: Mapping[str, Any], revisions: Sequence[Manifest], wanted: int | None, key: Key
) -> int:
    """The revision to go back to: `wanted`, else the one that serves while another is being rolled out, else
    the newest before the serving one that was Complete.

    Raises Problem when there is none.
    """
    state = config.get("status") or {}
    numbers = [int(r["revision"]) for r in revisions]
    hint = f"paas rollout history {key.name} -n {key.namespace}"
    if wanted is not None:
        if wanted not in numbers:
            raise not_found("revision", str(wanted), key.namespace, hint=hint)
        return wanted
    active = state.get("activeRevision")
    if active is None:
        raise Problem(
            f'"{key.name}" has no revision to go back to', why="none has been complete yet", hint=hint
        )
    rollout = state.get("rollout") or {}
    under_way = rollout.get("phase") in ("New", "Pending", "Running") and rollout.get("revision") != active
    if under_way and active in numbers:
        return int(active)
    phases = {run["revision"]: run.get("phase") for run in state.get("history") or ()}
    before = [n for n in numbers if n < active and phases.get(n, "Complete") == "Complete"]
    if not before:
        raise Problem(f'"{key.name}" has no complete revision before {active}', hint=hint)
    return max(before)


def failed_because(config: Mapping[str, Any], revision: int) -> str | None:
    """Why the last rollout of a revision failed by itself; None when it did not."""
    rows = (config.get("status") or {}).get("history") or ()
    row = next((row for row in rows if row.get("revision") == revision), None)
    if row is None or row.get("phase") != "Failed" or row.get("reason") == "Superseded":
        return None
    problems = "; ".join(problem["message"] for problem in row.get("problems") or ())
    return problems or str(row.get("message") or row.get("reason") or "")
