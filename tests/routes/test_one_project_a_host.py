"""T17: at no moment do two projects publish one host, whatever becomes of Routes, projects and Ingresses.

From the API server's objects on, through the real watches, gather and plan.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paas.api.project import is_project
from paas.api.resources import INGRESS, NAMESPACE, ROUTE, SECRET, Key, Manifest, Resource
from paas.kube.errors import Forbidden
from tests.routes.fake_cluster import REDIRECT, SETTINGS, Objects, conditions_of, project_of, route
from tests.support.refusing import WORDS, Refusing

HELD = {"finalizers": ["somebody.example/holds-it"]}
HOST = "www.apps.test"
HOSTS = (HOST, "other.apps.test", "third.apps.test")
PROJECTS = ("one", "two")
NAMES = ("a", "b")


def both() -> Objects:
    """Two projects; Route `a` of `one` publishes HOST, that of `two` waits for it."""
    objects = Objects()
    for each in PROJECTS:
        objects.put(project_of(each))
    for each in PROJECTS:
        objects.put(new("a", each, HOST))
    objects.settle()
    assert objects.publishing() == {HOST: {"one"}}
    return objects


def new(name: str, where: str, host: str) -> dict[str, Any]:
    """A Route that is made now: the store gives it a UID and an age."""
    made = route(name, where, host=host, tls=REDIRECT)
    del made["metadata"]["uid"], made["metadata"]["creationTimestamp"]
    return made


def admitted(objects: Objects, namespace: str, name: str = "a") -> tuple[str, str]:
    return conditions_of(objects.stored[ROUTE, Key(namespace, name)])["Admitted"]


def test_a_route_kept_by_a_finalizer_loses_its_host_and_its_ingresses():
    objects = both()
    objects.change(ROUTE, Key("one", "a"), **HELD)
    objects.delete(ROUTE, Key("one", "a"))
    objects.settle()
    assert objects.publishing() == {HOST: {"two"}}
    assert admitted(objects, "one") == ("False", "BeingDeleted")
    assert admitted(objects, "two") == ("True", "Admitted")


def test_a_namespace_that_lost_the_label_loses_its_hosts():
    objects = both()
    objects.change(NAMESPACE, Key("", "one"), labels=None)
    objects.settle()
    assert objects.publishing() == {HOST: {"two"}}
    assert admitted(objects, "one") == ("False", "NotAProject")
    objects.change(NAMESPACE, Key("", "one"), labels=project_of("one")["metadata"]["labels"])
    objects.settle()
    assert objects.publishing() == {HOST: {"one"}}, "the older Route gets its host back"


def test_alone_it_loses_them_too():
    objects = both()
    objects.delete(ROUTE, Key("two", "a"))
    objects.change(NAMESPACE, Key("", "one"), labels=None)
    objects.settle()
    assert objects.publishing() == {}


def test_an_ingress_kept_by_a_finalizer_is_waited_for():
    objects = both()
    objects.change(INGRESS, Key("one", "a"), **HELD)
    objects.delete(ROUTE, Key("one", "a"))
    objects.settle()
    objects.collect_garbage()
    objects.settle()
    assert objects.publishing() == {HOST: {"one"}}
    assert conditions_of(objects.stored[ROUTE, Key("two", "a")])["Ready"] == ("False", "HostNotReleased")
    assert admitted(objects, "two") == ("True", "Admitted")
    assert said(objects, Key("two", "a"), "Admitted")["message"] == f"{HOST}/ belongs to this Route"
    waiting = said(objects, Key("two", "a"))["message"]
    assert waiting.endswith(f"an administrator finds it with: kubectl get ingress -A | grep -F {HOST}")
    objects.change(INGRESS, Key("one", "a"), finalizers=None)
    objects.settle()
    assert objects.publishing() == {HOST: {"two"}}


def unlabel(objects: Objects) -> None:
    objects.change(NAMESPACE, Key("", "one"), labels=None)


def remove(objects: Objects) -> None:
    objects.delete(ROUTE, Key("one", "a"))


def remove_with_one_more_in_its_project(objects: Objects) -> None:
    objects.put(new("b", "one", HOST))
    unlabel(objects)
    objects.delete(ROUTE, Key("one", "a"))


@pytest.mark.parametrize(
    ("happens", "told"), [(unlabel, "a"), (remove, None), (remove_with_one_more_in_its_project, "b")]
)
def test_what_the_cluster_does_not_let_go_is_waited_for_and_told(happens, told):
    objects, refusing = both(), Refusing()
    refusing.toggle("Delete", "Ingress")
    happens(objects)
    work(objects, refusing)
    assert objects.publishing() == {HOST: {"one"}}
    waiting = said(objects, Key("two", "a"))
    assert waiting["reason"] == "HostNotReleased"
    assert "the cluster refuses its deletion" in waiting["message"]
    assert waiting["message"].endswith(f"kubectl get ingress -A | grep -F {HOST}")
    assert "one" not in waiting["message"].split(), "the other project's name"
    if told is not None:
        stuck = said(objects, Key("one", told))
        assert stuck["reason"] == "Refused"
        assert stuck["message"].startswith(f"the cluster refuses Ingress a: {WORDS}")
    refusing.toggle("Delete", "Ingress")
    work(objects, refusing)
    assert objects.publishing() == {HOST: {"two"}}
    assert refusing.known == ()
    assert said(objects, Key("two", "a"))["reason"] != "HostNotReleased"
    if told is not None:
        assert said(objects, Key("one", told))["reason"] == "NotAProject"


def test_another_of_the_name_of_what_was_not_let_go_is_waited_for_too():
    objects, refusing = both(), Refusing()
    refusing.toggle("Delete", "Ingress")
    remove(objects)
    work(objects, refusing)
    objects.change(INGRESS, Key("one", "a"), uid="another")
    work(objects, refusing)
    assert objects.publishing() == {HOST: {"one"}}


def test_what_is_not_let_go_in_the_own_project_is_told():
    objects, refusing = both(), Refusing()
    objects.delete(ROUTE, Key("two", "a"))
    objects.put(new("b", "one", HOST))
    refusing.toggle("Delete", "Ingress")
    remove(objects)
    work(objects, refusing)
    assert admitted(objects, "one", "b") == ("True", "Admitted")
    assert said(objects, Key("one", "b"))["message"].startswith("the cluster refuses Ingress a")
    refusing.toggle("Delete", "Ingress")
    work(objects, refusing)
    assert said(objects, Key("one", "b"))["reason"] == "ServiceNotFound"


def said(objects: Objects, key: Key, type_: str = "Ready") -> dict[str, Any]:
    """A condition of a Route."""
    listed = objects.stored[ROUTE, key]["status"]["conditions"]
    return next(condition for condition in listed if condition["type"] == type_)


def work(objects: Objects, refusing: Refusing) -> None:
    """Work on HOST in a cluster that refuses something, until it comes to rest."""
    for _ in range(20):
        plan = objects.decide(Key("", HOST), refusing.known)
        if not refusing.run(plan, objects.carry_out):
            return
    raise AssertionError("the plans never come to rest")


def test_what_a_route_left_behind_is_taken_down_before_the_garbage_collector_comes():
    objects = both()
    objects.delete(ROUTE, Key("one", "a"))
    assert objects.publishing() == {HOST: {"one"}}
    objects.settle(lambda: exclusive(objects))
    assert objects.publishing() == {HOST: {"two"}}


def test_what_was_orphaned_on_purpose_is_taken_down_when_another_wants_the_host():
    objects = both()
    orphan(objects, Key("one", "a"))
    objects.settle(lambda: exclusive(objects))
    assert objects.publishing() == {HOST: {"two"}}


def orphan(objects: Objects, route: Key) -> None:
    """kubectl delete --cascade=orphan"""
    for name in (route.name, f"{route.name}.http"):
        objects.change(INGRESS, Key(route.namespace, name), ownerReferences=None)
    objects.delete(ROUTE, route)


def test_a_loser_whose_ingress_lost_its_label_is_taken_down():
    objects = both()
    objects.change(INGRESS, Key("one", "a"), labels=None)
    objects.change(ROUTE, Key("one", "a"), **HELD)
    objects.delete(ROUTE, Key("one", "a"))
    objects.settle()
    assert objects.publishing() == {HOST: {"two"}}


def exclusive(objects: Objects) -> None:
    shared = {host: projects for host, projects in objects.publishing().items() if len(projects) > 1}
    assert shared == {}


names = st.builds(Key, st.sampled_from(PROJECTS), st.sampled_from(NAMES))
happenings = st.one_of(
    st.tuples(st.just("want"), names, st.sampled_from(HOSTS)),
    st.tuples(
        st.sampled_from(["hold", "delete", "orphan", "release", "hold ingress", "release ingress"]), names
    ),
    st.tuples(st.sampled_from(["label", "unlabel"]), st.sampled_from(PROJECTS)),
    st.tuples(st.just("collect garbage")),
    st.tuples(st.just("work"), st.integers(0, 9), st.booleans()),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(happenings, max_size=40))
def test_at_no_moment_do_two_projects_publish_one_host(history):
    objects = Objects()
    for each in PROJECTS:
        objects.put(project_of(each))
    pending: list[Any] = []
    for happening in history:
        happens(objects, pending, *happening)
        exclusive(objects)
    for action in pending:  # what a worker had still to carry out
        objects.carry_out(action)
        exclusive(objects)
    objects.settle(lambda: exclusive(objects))
    for key in [key for resource, key in objects.stored if resource == INGRESS]:
        objects.change(INGRESS, key, finalizers=None)
    objects.settle(lambda: exclusive(objects))
    at_rest(objects)


def happens(objects: Objects, pending: list[Any], what: str, *about: Any) -> None:
    match what:
        case "want":
            key, host = about
            known = objects.stored.get((ROUTE, key))
            made = new(key.name, key.namespace, host)
            objects.put({**made, "metadata": known["metadata"]} if known else made)
        case "hold":
            objects.change(ROUTE, about[0], **HELD)
        case "release":
            objects.change(ROUTE, about[0], finalizers=None)
        case "orphan":
            orphan(objects, about[0])
        case "delete":
            objects.delete(ROUTE, about[0])
        case "hold ingress":
            objects.change(INGRESS, about[0], **HELD)
        case "release ingress":
            objects.change(INGRESS, about[0], finalizers=None)
        case "label":
            objects.put(project_of(about[0]), labels=project_of(about[0])["metadata"]["labels"])
        case "unlabel":
            objects.change(NAMESPACE, Key("", about[0]), labels=None)
        case "collect garbage":
            objects.collect_garbage()
        case "work":
            number, to_the_end = about
            # A host has one worker at a time: what it planned is carried out before it plans again.
            for action in pending:
                objects.carry_out(action)
                exclusive(objects)
            pending.clear()
            if objects.woken:
                pending += objects.decide(objects.woken[number % len(objects.woken)]).actions
            if to_the_end:
                happens(objects, pending, "work", number, False)


def at_rest(objects: Objects) -> None:
    """Every host is published by the oldest Route that may have it, if there is one, and by nobody else;
    what was orphaned on purpose serves on while nobody wants the host."""
    wanted: dict[str, list[dict[str, Any]]] = {}
    for (resource, key), obj in objects.stored.items():
        if resource == ROUTE and not obj["metadata"].get("deletionTimestamp"):
            namespace = objects.stored[NAMESPACE, Key("", key.namespace)]
            if namespace["metadata"].get("labels"):
                wanted.setdefault(obj["spec"]["host"], []).append(obj)
    owners = {
        host: {min(routes, key=lambda r: r["metadata"]["creationTimestamp"])["metadata"]["namespace"]}
        for host, routes in wanted.items()
    }
    objects.collect_garbage()
    objects.settle()
    assert {host: by for host, by in objects.publishing().items() if host in owners} == owners


@pytest.mark.parametrize("host", ["apps.test", "paas.apps.test"])
def test_what_is_the_platforms_own_is_published_by_no_route(host):
    objects = Objects()
    objects.put(project_of("one"))
    objects.put(new("a", "one", host))
    objects.settle()
    assert SETTINGS.domain in host
    assert objects.publishing() == {}


class InProjects(Objects):
    """The operator may read Secrets of projects only, as its RoleBindings have it."""

    async def get(self, resource: Resource, key: Key) -> Manifest | None:
        if resource == SECRET and not is_project(self.stored.get((NAMESPACE, Key("", key.namespace)))):
            raise Forbidden(403, "Forbidden", f"secrets {key.name!r} is forbidden in {key.namespace}")
        return await super().get(resource, key)


@pytest.mark.parametrize("older", PROJECTS)
def test_who_wants_a_host_where_nothing_may_be_read_does_not_block_it(older: str):
    """A host below another one has a Secret of its own, which is looked at for each Route that wants it."""
    objects, deep = InProjects(), "a.b.apps.test"
    objects.put(project_of("one"))
    objects.put(project_of("two", labelled=False))
    for each in sorted(PROJECTS, key=lambda name: name != older):
        objects.put(new("a", each, deep))
    objects.settle()
    assert objects.publishing() == {deep: {"one"}}
    assert admitted(objects, "one") == ("True", "Admitted")
    assert admitted(objects, "two") == ("False", "NotAProject")
