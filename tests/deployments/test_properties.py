"""Whatever people, builds, kubelets and crashes do, in any order: plans come to rest, the same end is
reached, and the promises hold at every step."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from paas.api.build import SOURCE_CHANGES
from paas.deployments import plan
from paas.reconcile.plan import Apply, Status
from tests.deployments.fake_cluster import CONFIG_CHANGE, FakeCluster, image_trigger, template, two_steps
from tests.support.branches import every_branch
from tests.support.json_copy import copied

TRIGGERS: list[list[dict[str, Any]]] = [
    [CONFIG_CHANGE, image_trigger()],
    [image_trigger()],
    [CONFIG_CHANGE, image_trigger(automatic=False)],
    [CONFIG_CHANGE],
    [],
    [CONFIG_CHANGE, image_trigger(container="nobody")],
]
CAUSES = ["Push", "WebHook", "ImageChange", "Manual", "Retry"]
IMAGES = st.sampled_from("abcd")
REFUSED = {
    "quota of revisions": ("Create", "ControllerRevision"),
    "policy about Deployments": ("Apply", "Deployment"),
    "right to delete": ("Delete", "ControllerRevision"),
}
ODD = [
    "deleted",
    "taken",
    "added",
    "added by kubectl",
    "autoscaler",
    "unreadable",
    "crash",
    "refused",
    "accepted",
    *REFUSED,
]
FOREIGN = {"metadata": {"name": "shop", "namespace": "demo", "uid": "theirs"}, "spec": {}}


class Everything(RuleBasedStateMachine):
    """The cluster of one DeploymentConfig."""

    @initialize(
        triggers=st.sampled_from([*[TRIGGERS[0]] * 6, *TRIGGERS]),
        replicas=st.integers(0, 3),
        limit=st.integers(1, 3),
        past=st.sampled_from(["abc", "ab", "a", ""]),
        strategy=st.sampled_from(["Rolling", "Rolling", "Recreate"]),
    )
    def begin(
        self,
        triggers: list[dict[str, Any]],
        replicas: int,
        limit: int,
        past: str,
        strategy: str = "Rolling",
    ) -> None:
        pods = template(image=" " if triggers in TRIGGERS[:3] else "nginx:1")
        self.cluster = FakeCluster(
            triggers=triggers,
            replicas=replicas,
            revisionHistoryLimit=limit,
            template=pods,
            strategy={"type": strategy},  # the one of two steps has the name of Recreate
        )
        for text in past:
            self.cluster.image(text).go()
        self.count = 0
        self.numbers: set[int] = set()
        self.frozen: dict[str, Any] = {}

    # -- people ------------------------------------------------------------------------------------------
    @rule(
        env=st.sampled_from("123"),
        image=st.sampled_from([" ", "nginx:1", "nginx:2"]),
        more=st.sampled_from([{}, {}, {"restartPolicy": ""}]),
    )
    def edits_the_template(self, env: str, image: str, more: dict[str, str]) -> None:
        self.cluster.edit(template=template(env=env, image=image, **more))

    @rule(
        triggers=st.sampled_from(TRIGGERS),
        replicas=st.integers(0, 4),
        limit=st.integers(0, 3),
        which=st.integers(0, 2),
    )
    def edits_something_else(
        self, triggers: list[dict[str, Any]], replicas: int, limit: int, which: int
    ) -> None:
        changes = [{"triggers": triggers}, {"replicas": replicas}, {"revisionHistoryLimit": limit}]
        self.cluster.edit(**changes[which])

    @rule()
    def pauses_or_resumes(self) -> None:
        self.cluster.edit(paused=not self.cluster.dc["spec"].get("paused"))

    @rule(which=st.integers(0, 4), fresh=st.booleans())
    def pins(self, which: int, fresh: bool) -> None:
        """One of the known revisions, or one that does not exist."""
        known = sorted(revision["revision"] for revision in self.cluster.revisions.values())
        self.count += fresh
        self.cluster.pin(known[which] if which < len(known) else 99, at=f"t{self.count}")

    @rule(at_once=st.booleans())
    def unpins(self, at_once: bool) -> None:
        if not at_once:
            self.cluster.settle()
        self.cluster.edit(rollback=None)

    @precondition(lambda self: len(self.cluster.revisions) > 1)
    @rule(wait=st.booleans())
    def goes_back_and_forth(self, wait: bool) -> None:
        oldest = min((revision["revision"] for revision in self.cluster.revisions.values()), default=1)
        self.count += 1
        self.cluster.pin(oldest, at=f"t{self.count}")
        self.cluster.step()
        if wait and self.ours():
            self.cluster.go()
        self.cluster.edit(rollback=None)

    @rule(token=st.sampled_from("xyz"))
    def asks_for_the_latest(self, token: str) -> None:
        self.cluster.edit(rollout={"latest": token})

    # -- builds ------------------------------------------------------------------------------------------
    @rule(text=IMAGES, cause=st.sampled_from(CAUSES))
    def a_build_completes(self, text: str, cause: str) -> None:
        self.cluster.image(text, cause=cause)

    # -- the cluster -------------------------------------------------------------------------------------
    @rule()
    def the_deployment_controller_looks(self) -> None:
        if self.ours():
            self.cluster.roll()

    @rule()
    def pods_become_ready(self) -> None:
        if self.ours():
            self.cluster.ready()

    @rule()
    def the_deadline_passes(self) -> None:
        if self.ours():
            self.cluster.time_out()

    @rule(ahead=st.integers(0, 1))
    def a_revision_is_broken(self, ahead: int) -> None:
        self.cluster.broken = {max(self.numbers, default=0) + ahead}

    @rule(text=IMAGES)
    def a_rollout_fails(self, text: str) -> None:
        self.cluster.image(text).settle()
        if self.ours():
            current = (self.cluster.status.get("rollout") or {}).get("revision")
            self.cluster.broken = {current}
            self.cluster.roll().settle().time_out()

    @rule(seconds=st.sampled_from([0.5, 3, 601]))
    def time_passes(self, seconds: float) -> None:
        self.cluster.sleep(seconds)

    @rule(odd=st.sampled_from(ODD))
    def something_odd_happens(self, odd: str) -> None:
        cluster = self.cluster
        if odd == "deleted":
            cluster.deployment = None
        elif odd.startswith("added"):
            if self.ours():
                cluster.adds(by=odd.partition(" by ")[2])
        elif odd == "taken":
            cluster.deployment = copied(FOREIGN)
        elif odd == "autoscaler":
            cluster.autoscalers = (
                [] if cluster.autoscalers else [{"metadata": {"name": "hpa", "namespace": "demo"}}]
            )
        elif odd == "unreadable":
            cluster.edit(replicas="many")
        elif odd == "crash":
            cluster.crashes(runs=False)
        elif odd in REFUSED:
            cluster.refusing.toggle(*REFUSED[odd])
        else:
            cluster.refusal = "no" if odd == "refused" else None
            cluster.edit(template=template(env=odd))

    # -- the operator ------------------------------------------------------------------------------------
    @rule()
    def it_works(self) -> None:
        self.step(None)

    @rule(actions=st.integers(0, 2))
    def it_is_killed(self, actions: int) -> None:
        self.step(actions)

    @rule()
    def it_comes_to_rest(self) -> None:
        self.cluster.settle()

    @rule()
    def all_goes_well(self) -> None:
        if self.ours():
            self.cluster.go()

    def step(self, actions: int | None) -> None:
        before = copied(self.cluster.status)
        made = self.cluster.step(actions=actions)
        written = [action for action in made.actions if isinstance(action, Status)]
        applied = [action for action in made.actions if isinstance(action, Apply)]
        if written and _verdict(before, written[0].status):
            assert not applied, "a verdict is written by itself, before the act"

    def ours(self) -> bool:
        return self.cluster.deployment is not None and self.cluster.deployment["metadata"]["uid"] != "theirs"

    # -- promises ----------------------------------------------------------------------------------------
    @invariant()
    def revisions_are_frozen_and_numbered_once(self) -> None:
        if not hasattr(self, "cluster"):
            return
        for name, revision in self.cluster.revisions.items():
            known = self.frozen.setdefault(revision["metadata"]["uid"], copied(revision))
            assert known == revision, "a revision is never changed"
            assert name == f"shop-{revision['revision']}"
        numbers = {revision["revision"] for revision in self.cluster.revisions.values()}
        fresh = numbers - self.numbers
        assert not fresh or not self.numbers or min(fresh) > max(self.numbers), "numbers only grow"
        self.numbers |= numbers

    @invariant()
    def what_is_needed_is_kept(self) -> None:
        status = getattr(self, "cluster", FakeCluster()).status
        if "hold" in status:
            assert f"shop-{status['hold']['revision']}" in self.cluster.revisions
        if "activeRevision" in status:
            assert f"shop-{status['activeRevision']}" in self.cluster.revisions

    def teardown(self) -> None:
        if not hasattr(self, "cluster"):
            return
        cluster = self.cluster
        cluster.settle()
        if cluster.deployment is not None and not self.ours():
            assert cluster.deployment == FOREIGN
            cluster.deployment = None
        cluster.broken, cluster.refusal, cluster.autoscalers, cluster.pods = set(), None, [], []
        cluster.refusing.refuses.clear()
        cluster.edit(paused=False, replicas=2)
        cluster.go().sleep(601).go()
        self._check_the_end()

    def _check_the_end(self) -> None:
        cluster, status = self.cluster, self.cluster.status
        if cluster.deployment is None:
            assert "rollout" not in status
            return
        assert cluster.deployment["spec"]["replicas"] == cluster.dc["spec"]["replicas"]
        assert not cluster.deployment["spec"]["paused"]
        rollout = status["rollout"]
        if rollout["phase"] == "Complete":
            assert cluster.running[0] == rollout["revision"] == status["activeRevision"]
        else:
            assert rollout["phase"] == "Failed", "every rollout comes to an end"
            assert cluster.running[0] == status.get("activeRevision", rollout["revision"])
        if "hold" in status and rollout["phase"] == "Complete":
            assert cluster.running[0] == status["hold"]["revision"]
        if "hold" in status and cluster.condition("Stalled") is None:
            newest = f"shop-{status['latestVersion']}"
            images = (
                cluster.revisions[newest]["data"].get("images") or [] if newest in cluster.revisions else []
            )
            if cluster.dc["spec"]["triggers"] == TRIGGERS[0] and images:
                seen = [item["image"] for item in cluster.items]
                newer = cluster.items[: seen.index(images[0]["image"])] if images[0]["image"] in seen else []
                assert not [
                    item
                    for item in newer
                    if item["cause"] in SOURCE_CHANGES and item["buildNumber"] > status["hold"]["baseline"]
                ], "new source above the baseline releases"
        if cluster.ready_reason() == "True/Reconciled":
            was, latest = cluster.running, status["latestVersion"]
            del cluster.dc["status"]  # it is made again from the revisions, and nothing else changes
            if not cluster.dc["spec"].get("rollback"):  # whether it had been released is no longer known
                cluster.go()
                if rollout["revision"] == latest:
                    assert cluster.running == was
                else:  # that the newest revision had failed is no longer known either: it is tried again
                    assert cluster.running[0] == latest


def _verdict(before: dict[str, Any], after: dict[str, Any]) -> bool:
    def verdict(status: dict[str, Any]) -> Any:
        failed = (status.get("rollout") or {}).get("phase") == "Failed"
        return (
            failed,
            "released" in status,
            (status.get("rollout") or {}).get("startedAt") if failed else None,
        )

    return verdict(after) != verdict(before) and verdict(after) != (False, False, None)


Walk = list[tuple[Any, ...]]
WALKS: dict[str, Walk] = {
    "ab": [
        ("goes_back_and_forth", True), ("it_comes_to_rest",), ("all_goes_well",),
        ("pins", 0, True), ("all_goes_well",), ("a_build_completes", "c", "ImageChange"), ("it_works",),
        ("pins", 1, True), ("it_works",), ("it_works",), ("pins", 4, True), ("it_comes_to_rest",),
        ("unpins", True), ("a_rollout_fails", "d"), ("it_comes_to_rest",), ("time_passes", 601),
        ("it_comes_to_rest",), ("all_goes_well",), ("something_odd_happens", "unreadable"), ("it_works",),
    ],
    "a": [
        ("pins", 0, True), ("all_goes_well",), ("a_build_completes", "b", "Push"), ("it_comes_to_rest",),
        ("something_odd_happens", "refused"), ("it_comes_to_rest",), ("something_odd_happens", "accepted"),
        ("something_odd_happens", "crash"), ("it_works",), ("the_deployment_controller_looks",),
        ("it_works",),
        ("time_passes", 3), ("it_works",), ("pauses_or_resumes",), ("it_comes_to_rest",),
        ("something_odd_happens", "autoscaler"), ("it_works",), ("something_odd_happens", "added"),
        ("it_comes_to_rest",), ("something_odd_happens", "added by kubectl"), ("it_comes_to_rest",),
    ],
    "": [
        ("it_works",), ("a_rollout_fails", "a"), ("time_passes", 601), ("it_comes_to_rest",),
        ("something_odd_happens", "taken"), ("it_comes_to_rest",),
    ],
    "b": [  # the verdict is reached while nobody looks
        ("a_build_completes", "c", "Push"), ("it_comes_to_rest",), ("a_revision_is_broken", 0),
        ("the_deadline_passes",), ("it_comes_to_rest",), ("time_passes", 601), ("it_comes_to_rest",),
    ],
    "c": [("something_odd_happens", "crash"), ("a_rollout_fails", "d"), ("it_comes_to_rest",)],
    "d": [
        ("something_odd_happens", "quota of revisions"), ("edits_something_else", TRIGGERS[0], 2, 0, 2),
        ("a_build_completes", "b", "Push"), ("it_comes_to_rest",), ("it_works",),
        ("something_odd_happens", "quota of revisions"), ("it_comes_to_rest",),
    ],
    "abc": [("edits_something_else", TRIGGERS[0], 2, 0, 2), ("it_works",), ("it_is_killed", 1)],
}  # fmt: skip
"""Walks to the far corners, from a past of these images; the random ones go everywhere else."""


def walk(past: str, steps: Walk) -> None:
    machine = Everything()
    machine.begin(triggers=TRIGGERS[0], replicas=2, limit=2, past=past)
    for name, *values in steps:
        getattr(machine, name)(*values)
        machine.revisions_are_frozen_and_numbered_once()
        machine.what_is_needed_is_kept()
    machine.teardown()


def test_plans_come_to_rest_and_every_branch_of_plan_is_reached() -> None:
    with two_steps(), every_branch(plan) as missing:
        for past, steps in WALKS.items():
            walk(past, steps)
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            Everything,
            settings=settings(
                max_examples=80,
                stateful_step_count=30,
                deadline=None,
                derandomize=True,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
    assert missing == [], "lines and branches of plan.py that no example reached"
