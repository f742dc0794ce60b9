"""Whatever people, pods, registries and crashes do, in any order: plans come to rest, and the promises
hold at every step. Every branch of the decision is reached on the way."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import paas.builds
from paas.api.build import TERMINAL, InvalidSource
from paas.api.buildconfig import ANNOTATION_PAUSED
from paas.api.resources import Manifest
from paas.builds import advance, prune, run_policy
from paas.builds import plan as decisions
from paas.builds.numbers import LARGEST
from paas.builds.plan import plan
from paas.builds.snapshot import ObservedBuild
from paas.reconcile.conditions import timestamp
from paas.reconcile.refusal import Cause
from tests.builds.fake_cluster import NAMESPACE, SETTINGS, FakeCluster, push

EXTERNAL = {"git": {"uri": "https://git.example/team/shop.git"}, "sourceSecret": {"name": "login"}}
HAPPENINGS = [
    "deleted pod", "deleted after the push", "deleted job", "runs", "succeeds", "succeeds and is merged",
    "succeeds, then the stream goes", "succeeds while the registry is down", "lies", "did not push", "fails",
    "fails", "killed",
]  # fmt: skip
DECISIONS = ("plan", "advance", "status", "snapshot", "prune", "run_policy")
PARTS = [
    "stream", "key", "secret", "registry", "spec", "foreign", "job controller", "room for pods", "cause",
    "quiet registry", "cause",
]  # fmt: skip
REFUSED = {
    "quota of Secrets": ("Create", "Secret"),
    "quota of Jobs": ("Create", "Job"),
    "policy about Builds": ("StartBuild", ""),
    "right to delete": ("Delete", "Build"),
}
CAUSES = st.sampled_from(["Quota", "Policy", "OfANewerServer"])
ROUNDS = 10
"""Hundreds of histories until every branch was reached; it takes two or three as a rule."""
PODS = [
    {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": "no room"}]},
    {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
    {"phase": "Failed", "reason": "Evicted", "message": "exceeds the limit"},
    {"phase": "Failed", "reason": "DeadlineExceeded"},
    {"phase": "Failed", "reason": "NodeLost"},
]


class Everything(RuleBasedStateMachine):
    """The cluster of one BuildConfig."""

    @initialize(
        source=st.sampled_from([{"git": {}}, EXTERNAL]),
        limits=st.tuples(st.integers(0, 2), st.integers(0, 2)),
        triggers=st.sampled_from([[], [{"type": "ConfigChange"}]]),
    )
    def begin(self, source: Any, limits: tuple[int, int], triggers: Any) -> None:
        self.cluster = FakeCluster(
            source=source,
            triggers=triggers,
            successfulBuildsHistoryLimit=limits[0],
            failedBuildsHistoryLimit=limits[1],
        )
        self.count = 0
        self.ended: dict[str, Any] = {}

    def some(self, data: st.DataObject, *phases: str) -> str | None:
        names = [name for name in self.cluster.builds if not phases or self.cluster.phase(name) in phases]
        return data.draw(st.sampled_from(sorted(names))) if names else None

    # -- people ------------------------------------------------------------------------------------------
    @rule(again=st.booleans(), invalid=st.sampled_from([None, None, "NoBuildpack", "Unheard"]))
    def pushes(self, again: bool, invalid: str | None) -> None:
        waiting = [build for build in self.builds(now=True) if "status" not in build]
        if self.cluster.config is None or len(waiting) > 2:
            return
        self.count += not again
        reason = InvalidSource(reason=invalid, message="add a Dockerfile") if invalid else None
        self.cluster.build(push(self.count, invalid=reason))

    @rule(data=st.data())
    def cancels(self, data: st.DataObject) -> None:
        if name := self.some(data):
            self.cluster.cancel(name)

    @rule()
    def pauses_or_resumes(self) -> None:
        if self.cluster.config is not None:
            annotations = self.cluster.config["metadata"].setdefault("annotations", {})
            paused = annotations.get(ANNOTATION_PAUSED) == "true"
            annotations[ANNOTATION_PAUSED] = "false" if paused else "true"

    @rule(what=st.sampled_from([*PARTS, *REFUSED, *REFUSED]))
    def something_is_taken_away_or_comes_back(self, what: str) -> None:
        cluster = self.cluster
        if what == "stream":
            cluster.streams = {} if cluster.streams else FakeCluster().streams
        elif what == "key":
            cluster.key = None if cluster.key else b"k" * 32
        elif what == "secret":
            cluster.source_secret_missing = not cluster.source_secret_missing
        elif what == "room for pods":
            cluster.pods_refused = None if cluster.pods_refused else "exceeded quota: small"
        elif what == "cause":
            other = Cause.INVALID if cluster.refusing.cause is Cause.QUOTA else Cause.QUOTA
            cluster.refusing.cause = other
        elif what in REFUSED:
            cluster.refusing.toggle(*REFUSED[what])
        elif what == "quiet registry":
            cluster.collecting = not cluster.collecting
        elif what == "job controller":
            cluster.jobs_lag = not cluster.jobs_lag
        elif what == "registry":
            cluster.registry_up = not cluster.registry_up
        elif what == "spec" and cluster.config is not None:
            broken = cluster.config["spec"].pop("output", None)
            if broken is None:
                cluster.config["spec"]["output"] = {"to": {"kind": "ImageStreamTag", "name": "shop:latest"}}
        elif what == "foreign":
            name = f"shop-{len(cluster.past) + 1}-build"
            foreign = {"metadata": {"name": name, "namespace": NAMESPACE, "uid": "theirs"}}
            if cluster.jobs.get(name) == foreign:
                del cluster.jobs[name]
            elif name not in cluster.jobs:
                cluster.jobs[name] = foreign

    @rule(cause=st.sampled_from([None, Cause.QUOTA.value, "Unheard"]))
    def the_server_waits_with_a_push_or_no_longer(self, cause: str | None) -> None:
        if self.cluster.config is not None:
            status = self.cluster.config.setdefault("status", {})
            status.pop("waitingPush", None)
            if cause is not None:
                waiting = {"ref": "main", "commit": "c" * 40, "cause": cause, "message": "no room"}
                status["waitingPush"] = waiting

    @rule(what=st.sampled_from(["ping", "refused", "refused", "poll", "built"]), cause=CAUSES)
    def it_is_told_of_pushes_elsewhere(self, what: str, cause: str) -> None:
        if self.cluster.config is None:
            return
        status = self.cluster.config.setdefault("status", {})
        about = {"ref": "main", "commit": "a" * 40}
        delivery = {"id": what, "time": timestamp(self.cluster.now), "event": "push", "decision": what}
        delivery |= {"reason": "told", **(about if what != "poll" else {})}
        if what in ("refused", "poll"):
            delivery["cause"] = cause
        elif what == "built":
            delivery["build"] = "shop-1"
        status["deliveries"] = [delivery, *status.get("deliveries", ())][:5]

    # -- the cluster -------------------------------------------------------------------------------------
    @rule(
        what=st.sampled_from([*HAPPENINGS, *HAPPENINGS, *range(len(PODS))]),
        ready=st.sampled_from([True, True, False]),
        gone=st.sampled_from([None, None, 5, 3600]),
    )
    def something_happens_to_the_running_build(self, what: str | int, ready: bool, gone: int | None) -> None:
        cluster = self.cluster
        if ready and cluster.config is not None:
            if not any(self._active(build) for build in cluster.builds.values()):
                self.count += 1
                cluster.build(push(self.count))
            cluster.settle()
        active = [name for name, build in cluster.builds.items() if self._active(build)]
        if not active:
            return
        name = active[0]
        if what == "deleted pod" or not self.has_job(name):
            cluster.delete_pod(name)
        elif what == "deleted after the push":
            cluster.delete_pod(name, pushed=True)
        elif what == "deleted job":
            cluster.delete_job(name)
        elif what == "runs":
            cluster.run(name)
        elif what == "succeeds while the registry is down":
            cluster.registry_up = False
            cluster.succeed(name)
            cluster.step()
            cluster.registry_up = True
        elif isinstance(what, str) and what.startswith("succeeds"):
            cluster.succeed(name)
            cluster.step()
            if what == "succeeds and is merged":
                cluster.merge()
            elif what == "succeeds, then the stream goes":
                cluster.streams.clear()
        elif what == "lies":
            cluster.succeed(name, claim="sha256:" + "f" * 64)
        elif what == "did not push":
            cluster.succeed(name, pushed=False)
        elif what == "fails":
            cluster.fail(name, message="error building image: x")
        elif what == "killed":
            cluster.fail(name, code=137)
        elif isinstance(what, int):
            pod = cluster.pod_of(name)
            pod["status"] = copy.deepcopy(PODS[what])
            if gone is not None:
                pod["metadata"]["deletionTimestamp"] = timestamp(cluster.now)
                pod["status"] = {"phase": "Running"}
                cluster.sleep(gone)

    @rule(data=st.data())
    def a_job_of_an_ended_build_is_deleted(self, data: st.DataObject) -> None:
        if name := self.some(data, *TERMINAL):
            self.cluster.delete_job(name)

    @rule()
    def images_are_merged(self) -> None:
        self.cluster.merge()

    @rule(data=st.data())
    def another_version_wrote_a_build(self, data: st.DataObject) -> None:
        if name := self.some(data, "New"):
            self.cluster.builds[name]["spec"].pop("source", None)

    @rule(data=st.data())
    def somebody_makes_a_build_with_a_number_of_their_own(self, data: st.DataObject) -> None:
        number = LARGEST + 1
        if (name := self.some(data)) and f"shop-{number}" not in {
            b["metadata"]["name"] for b in self.builds()
        }:
            made = copy.deepcopy(self.cluster.builds[name])
            made.pop("status", None)
            made["metadata"] |= {"name": f"shop-{number}", "uid": "by hand"}
            made["spec"] |= {"number": number, "trigger": {**made["spec"]["trigger"], "id": "by hand"}}
            made["spec"].pop("retryOf", None)
            self.cluster.builds[f"shop-{number}"] = made
            self.cluster.past.append(made)

    @rule(seconds=st.sampled_from([1, 60, 700]))
    def time_passes(self, seconds: int) -> None:
        self.cluster.sleep(seconds)

    @rule()
    def the_buildconfig_is_deleted(self) -> None:
        if len(self.cluster.past) > 2:
            self.cluster.config = None

    # -- the operator ------------------------------------------------------------------------------------
    @rule()
    def it_works(self) -> None:
        before = copy.deepcopy(self.cluster.observed())
        plan(self.cluster.observed(), now=self.cluster.now, settings=SETTINGS)
        assert self.cluster.observed() == before, "a decision changes nothing of what it sees"
        self.cluster.step()

    @rule(actions=st.integers(0, 3))
    def it_is_killed(self, actions: int) -> None:
        self.cluster.step(actions=actions)

    @rule()
    def it_comes_to_rest(self) -> None:
        self.cluster.settle()
        self.cluster.step()
        assert not self.cluster.wrote

    def has_job(self, name: str) -> bool:
        return f"{name}-build" in self.cluster.jobs

    # -- promises ----------------------------------------------------------------------------------------
    @invariant()
    def one_build_at_a_time(self) -> None:
        active = [b for b in self.builds(now=True) if self._active(b)]
        assert len(active) <= 1, "one build runs at a time"

    @invariant()
    def a_lost_build_is_repeated_once(self) -> None:
        repeated = [build["spec"]["retryOf"] for build in self.builds() if build["spec"].get("retryOf")]
        repetitions = {build["metadata"]["name"] for build in self.builds() if build["spec"].get("retryOf")}
        assert len(repeated) == len(set(repeated)), "a lost build is repeated once"
        assert not set(repeated) & repetitions, "a repetition is never repeated"

    @invariant()
    def complete_means_that_the_registry_has_it(self) -> None:
        for build in self.builds(now=True):
            status = build.get("status") or {}
            if status.get("phase") == "Complete":
                assert status["output"]["to"]["imageDigest"] == self.cluster.tags[build["metadata"]["uid"]]

    def builds(self, *, now: bool = False) -> list[Any]:
        """All Builds that ever were, or that are there now."""
        if not hasattr(self, "cluster"):
            return []
        return list(self.cluster.builds.values()) if now else self.cluster.past

    def _active(self, build: Any) -> bool:
        return (build.get("status") or {}).get("phase") in ("Pending", "Running")


def test_whatever_happens_the_promises_hold_and_every_branch_is_reached() -> None:
    folder = Path(paas.builds.__file__).parent
    files = [folder / f"{name}.py" for name in DECISIONS]
    measured = coverage.Coverage(
        branch=True, include=[str(f) for f in files], data_file=None, config_file=False
    )
    for number in range(ROUNDS):
        measured.start()
        try:
            histories(number)
        finally:
            measured.stop()
        missing = {file.name: unreached(measured, file) for file in files}
        if not any(missing.values()):
            return
    assert not any(missing.values()), "decisions that no history led to"


def histories(number: int, *, quick: bool = False) -> None:
    """Some random histories, others for each number; `quick` does not look for the shortest that fails."""
    few = settings(
        max_examples=100,
        stateful_step_count=40,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate] if quick else list(Phase),
        print_blob=False,
    )
    run_state_machine_as_test(seed(number)(Everything), settings=few)  # type: ignore[no-untyped-call]


def unreached(measured: coverage.Coverage, file: Path) -> list[str]:
    """Lines in functions, and branches, that were not run."""
    analysis = measured._analyze(str(file))
    inside: set[int] = set()  # what is outside of functions ran at import, before the measurement
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef):
            inside |= set(range(node.body[0].lineno, (node.end_lineno or 0) + 1))
    lines = [f"line {line}" for line in sorted(set(analysis.missing) & inside)]
    arcs = analysis.missing_branch_arcs().items()
    return lines + [f"{line} to {', '.join(map(str, sorted(ends)))}" for line, ends in sorted(arcs)]


def starts_all(entries: Iterable[run_policy.Entry]) -> run_policy.Entry | None:
    waiting = [entry for entry in entries if entry.phase == "New" and not entry.cancelled]
    return min(waiting, default=None)


def repeats_for_ever(config: Manifest, seen: list[ObservedBuild]) -> Manifest | None:
    last = seen[-1].build if seen else {}
    status = last.get("status") or {}
    return last if status.get("phase") == "Error" and status.get("reason") in advance.RETRIABLE else None


@dataclass(frozen=True)
class Guard:
    """What stands in the place of a guard, and what a history may then complain of first."""

    module: Any
    name: str
    replacement: Any
    complaints: tuple[str, ...]


GUARDS = (
    Guard(run_policy, "next_up", starts_all, ("one build runs at a time",)),
    Guard(advance, "TERMINAL", frozenset(), ("an ended Build never changes",)),
    Guard(
        decisions,
        "_to_repeat",
        repeats_for_ever,
        ("the plan never comes to rest", "a repetition is never repeated"),
    ),
    Guard(prune, "merged", lambda build, stream: True, ("its image is lost",)),
)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: f"{guard.module.__name__}.{guard.name}")
def test_without_a_guard_the_histories_go_wrong(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard.module, guard.name, guard.replacement)
    said = next(filter(None, map(first_complaint, range(ROUNDS))), "nothing")
    assert any(complaint in said for complaint in guard.complaints), said


def first_complaint(number: int) -> str:
    """What is wrong with some random histories; empty when nothing is."""
    try:
        histories(number, quick=True)
    except AssertionError as problem:
        return str(problem)
    except BaseExceptionGroup as problems:
        return " ".join(str(problem) for problem in problems.exceptions)
    return ""
