"""Kill any process at any moment: the same end is reached, and nothing is made twice.

Each point is a named write; the process that made it is killed the moment the API server has logged it, so
that its answer may or may not have arrived.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from paas.node.audit import Entry
from tests.support.kills import KillAfter, wait_until_alive
from tests.support.platform import Person, eventually
from tests.support.samples import python_app

pytestmark = pytest.mark.e2e
OPERATOR, SERVER = "paas.operator", "paas.server"


@dataclass(frozen=True)
class Point:
    """After the `nth` such write in the person's project."""

    module: str
    verb: str
    resource: str
    nth: int = 1
    namespaced: bool = True

    @property
    def id(self) -> str:
        return f"{self.module.split('.')[1]}-{self.verb}-{self.resource.replace('/', '-')}-{self.nth}"


ALWAYS = [
    Point(SERVER, "create", "builds"),
    Point(OPERATOR, "create", "jobs"),
    Point(OPERATOR, "patch", "deployments"),
]
FURTHER = [
    Point(SERVER, "create", "subjectaccessreviews", namespaced=False),
    Point(OPERATOR, "create", "secrets"),
    Point(OPERATOR, "patch", "builds/status", 1),
    Point(OPERATOR, "patch", "builds/status", 2),
    Point(OPERATOR, "patch", "builds/status", 3),
    Point(OPERATOR, "patch", "imagestreams/status"),
    Point(OPERATOR, "create", "controllerrevisions"),
    Point(OPERATOR, "patch", "deploymentconfigs/status", 1),
    Point(OPERATOR, "patch", "deploymentconfigs/status", 3),
]
"""Of the same kinds of write; `make test-faults` kills after these."""


def user_of(module: str) -> str:
    return f"system:serviceaccount:paas-system:{module.split('.')[1]}"


@pytest.mark.parametrize(
    "point",
    [*ALWAYS, *(pytest.param(point, marks=pytest.mark.faults) for point in FURTHER)],
    ids=lambda point: point.id,
)
def test_a_push_survives_a_kill(person: Person, app: Path, point: Point) -> None:
    seen = 0

    def matches(entry: Entry) -> bool:
        nonlocal seen
        if (entry.user, entry.verb, entry.resource, entry.namespace) != (
            user_of(point.module), point.verb, point.resource, person.project if point.namespaced else "",
        ) or entry.code >= 300:  # fmt: skip
            return False
        seen += 1
        return seen == point.nth

    commit = person.commit(app, python_app("two"), "Say two")
    with KillAfter(person.instance, point.module, matches) as kill:
        pushed = person.push(app)
        eventually(lambda: kill.killed, seconds=60, what=f"the write {point.id}")
    wait_until_alive(person.instance, point.module)
    if point.module == OPERATOR:
        pushed.ok()
    elif commit not in eventually(
        lambda: person.git("ls-remote", "paas", cwd=app).out, seconds=60, what="the server answers again"
    ):
        # it died before it took the push, and git said so: whoever pushes tries again
        assert pushed.code != 0
        eventually(lambda: person.push(app).code == 0, seconds=60, what="the next try is taken")
    eventually(lambda: person.answer("shop").text == "two\n", seconds=120, what="the pushed text is answered")
    assert commit in person.git("ls-remote", "paas", "refs/heads/main", cwd=app).ok().out
    _assert_nothing_twice(person)


def _assert_nothing_twice(person: Person) -> None:
    made = Counter(
        (entry.resource, entry.name)
        for entry in person.instance.audited()
        if entry.namespace == person.project
        and entry.verb == "create"
        and entry.code in (200, 201)
        and entry.user in (user_of(OPERATOR), user_of(SERVER))
        and entry.resource in ("builds", "jobs", "controllerrevisions", "secrets")
    )
    assert made, "the audit log has the creates of this project"
    assert {what: count for what, count in made.items() if count > 1} == {}
    builds = person.instance.objects("builds", person.project)
    assert sorted(b["metadata"]["name"] for b in builds) == ["shop-1", "shop-2"]
    assert [b["status"]["phase"] for b in builds] == ["Complete", "Complete"]
    stream = person.instance.object("imagestream", person.project, "shop")
    assert stream is not None
    assert [item["build"] for item in stream["status"]["tags"][0]["items"]] == ["shop-2", "shop-1"]
    revisions = person.instance.objects("controllerrevisions", person.project)
    assert len(revisions) == 2
