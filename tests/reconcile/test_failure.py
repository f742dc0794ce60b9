"""What cannot be looked after says so: when, in which words, and in every room."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest
import yaml

from paas.api import buildconfig, deployment, image, names, project, route
from paas.api.base import Kind
from paas.api.names import Condition, Reason
from paas.api.resources import NAMESPACE, Key, Manifest, Resource
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable, Forbidden
from paas.operator import manager_of
from paas.reconcile.conditions import Wanted, find
from paas.reconcile.controller import Controller
from paas.reconcile.failure import SAID_AFTER, SAID_AGAIN, FailingKeys, unable
from paas.reconcile.plan import Apply, Event, PlanOutdated, Status
from paas.reconcile.status import ConditionTable
from paas.settings import Settings
from tests.support import documented

NOW = datetime(2027, 1, 1, tzinfo=UTC)
KEY = Key("demo", "shop")
AWAY = ApiError(500, "InternalError", 'failed calling webhook "x": connection refused')
KINDS = [buildconfig.KIND, deployment.KIND, image.KIND, route.KIND]


def test_only_what_fails_for_a_while_is_said_and_not_all_the_time() -> None:
    failing = FailingKeys()
    assert not failing.is_due(KEY, now=100)
    assert not failing.is_due(KEY, now=100 + SAID_AFTER - 1)
    assert failing.is_due(KEY, now=100 + SAID_AFTER)
    assert not failing.is_due(KEY, now=100 + SAID_AFTER + SAID_AGAIN - 1)
    assert failing.is_due(KEY, now=100 + SAID_AFTER + SAID_AGAIN)
    failing.forget(KEY)
    assert not failing.is_due(KEY, now=1000), "a failure after it worked is the first one"


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (AWAY, ["failed calling webhook", "kubectl logs -n paas-system deployment/operator"]),
        (
            Forbidden(403, "Forbidden", 'secrets "a" is forbidden: User "x" cannot get resource "secrets"'),
            ['cannot get resource "secrets"', "paas install"],
        ),
        (PermissionError(13, "Permission denied", "/etc/key"), ["/etc/key cannot be read", "paas up"]),
        (ClusterUnreachable("no answer"), ["no answer", "kubectl logs"]),
        (PlanOutdated("demo/a belongs to somebody else"), ["belongs to somebody else", "kubectl logs"]),
        (ValueError("password hunter2"), ["a fault of the platform (ValueError)", "kubectl logs"]),
    ],
)
def test_it_says_what_failed_and_what_to_type(problem: Exception, says: list[str]) -> None:
    blocker = unable(problem)
    assert (blocker.reason, blocker.stalled) == (Reason.RECONCILE_FAILED, False)
    assert "it is tried again by itself" in blocker.message
    assert "hunter2" not in blocker.message
    assert all(part in blocker.message for part in says)


def example(kind: Kind) -> Manifest:
    obj: Manifest = yaml.safe_load(kind.example)
    obj["metadata"] |= {"namespace": "demo", "uid": "1", "generation": 3, "resourceVersion": "1"}
    return obj


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.singular)
def test_the_rest_of_the_status_stays_and_still_says_which_generation_it_is_about(kind: Kind) -> None:
    table, obj = ConditionTable(kind), example(kind)
    other = next((each.type for each in kind.conditions if each.type not in _SUMMARIES), None)
    wanted = [Wanted(Condition.READY, "True", Reason.RECONCILED, "all is well")]
    wanted += [Wanted(other, "True", Reason.RECONCILED, "this too")] if other is not None else []
    conditions = table.conditions(obj, wanted, now=NOW, generation=2)
    obj["status"] = {"observedGeneration": 2, "conditions": conditions, "another's": 1}
    (write,) = table.failing(obj, unable(AWAY), now=NOW)
    assert isinstance(write, Status)
    after = {"status": write.status}
    assert write.status["observedGeneration"] == 2
    assert "another's" not in write.status
    assert (find(after, Condition.READY) or {})["reason"] == "ReconcileFailed"
    assert (find(after, Condition.READY) or {})["observedGeneration"] == 2
    if other is not None:
        assert find(after, other) == find(obj, other)
    documented.check(kind.resource.kind, {"conditions": [find(after, Condition.READY)]})
    obj["status"] = write.status
    assert table.failing(obj, unable(AWAY), now=NOW) == [], "said already"


_SUMMARIES = (Condition.READY, Condition.STALLED, Condition.RECONCILING)

OBJECTS: list[tuple[str, Resource, Manifest]] = [
    ("paas-builds", buildconfig.KIND.resource, example(buildconfig.KIND)),
    ("paas-images", image.KIND.resource, example(image.KIND)),
    ("paas-deployments", deployment.KIND.resource, example(deployment.KIND)),
    ("paas-routes", route.KIND.resource, example(route.KIND)),
]  # fmt: skip


def controllers() -> list[Controller[Any]]:
    """Those of the operator, over a view of a project and an object of every kind."""
    manager = manager_of(cast(Cluster, None), Settings())
    found = [runner.controller for runner in manager.runners]
    labels = {names.LABEL_PROJECT: "true"}
    namespace = {"metadata": {"name": "demo", "uid": "0", "labels": labels, "resourceVersion": "1"}}
    for resource, obj in [(NAMESPACE, namespace), *((resource, obj) for _, resource, obj in OBJECTS)]:
        full = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
        found[0].view.put(resource, full)
        for controller in found:
            for watch in controller.watches:
                if watch.resource == resource:
                    list(watch.wakes(full, controller.view))
    return found


@pytest.mark.parametrize("controller", controllers(), ids=lambda controller: controller.name)
def test_every_controller_lets_its_objects_say_it(controller: Controller[Any]) -> None:
    if controller.name == "paas-projects":
        (said, *_) = controller.failing(Key("", "demo"), unable(AWAY), now=NOW).actions
        assert isinstance(said, Apply)
        text = said.manifest["metadata"]["annotations"][project.ANNOTATION_STATUS]
        assert text.startswith("preparing: the platform cannot look after this object: failed calling")
        return
    (resource, obj) = next((r, obj) for name, r, obj in OBJECTS if name == controller.name)
    watch = next(watch for watch in controller.watches if watch.resource == resource)
    (key,) = watch.wakes(obj, controller.view)
    (write, *more) = controller.failing(key, unable(AWAY), now=NOW).actions
    assert isinstance(write, Status)
    assert (write.resource, write.key) == (resource, Key("demo", "shop"))
    assert (find({"status": write.status}, Condition.READY) or {})["reason"] == "ReconcileFailed"
    assert all(isinstance(action, Event) for action in more)
    documented.check(resource.kind, write.status)
    assert controller.failing(Key("demo", "gone"), unable(AWAY), now=NOW).actions == ()
