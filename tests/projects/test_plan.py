"""What a project is given, in tables and as a property."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paas.projects.default_objects as default_objects_module
import paas.projects.plan as plan_module
from paas.api.names import ANNOTATION_DESIRED, PULL_SECRET
from paas.api.project import ANNOTATION_STATUS, is_project, is_reserved, status_of
from paas.api.resources import (
    LIMITRANGE,
    NETWORKPOLICY,
    ROLEBINDING,
    SECRET,
    SERVICEACCOUNT,
    resource_of,
)
from paas.projects.default_objects import NAMES
from paas.projects.plan import POD_SECURITY, RECHECK, SOON, Observed
from paas.reconcile.plan import Apply, Event, Plan, Requeue
from tests.projects.fake_cluster import (
    NOW,
    SETTINGS,
    account,
    applied,
    given_all,
    namespace,
    observed,
    planned,
    settled,
)
from tests.support.branches import every_branch
from tests.support.refusing import Refusing


def test_a_new_project_is_given_everything_and_says_so():
    cluster = given_all()
    assert set(cluster.children) == set(NAMES)
    assert status_of(cluster.namespace) == "ready"
    assert cluster.namespace["metadata"]["labels"][POD_SECURITY] == "baseline"
    assert cluster.default_account["imagePullSecrets"] == [{"name": "paas-registry"}]
    assert planned(cluster) == Plan()


def test_everything_is_owned_by_the_namespace_so_that_it_can_be_told_from_foreign_objects():
    for child in given_all().children.values():
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("Namespace", "demo-uid", True)
        assert "blockOwnerDeletion" not in owner


def test_the_pull_secret_is_a_docker_config_for_the_address_that_nodes_use():
    secret = given_all().children[SECRET, "paas-registry"]
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    config = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
    entry = config["auths"]["registry.test:5000"]
    assert (entry["username"], entry["password"]) == ("project:demo", "s3cret")
    assert base64.b64decode(entry["auth"]) == b"project:demo:s3cret"


def test_the_password_never_shows_when_an_observation_is_printed():
    assert "s3cret" not in repr(observed())


def test_another_password_or_address_is_taken_over():
    cluster = replace(given_all(), pull_password="other")
    (action,) = planned(cluster).actions
    assert isinstance(action, Apply)
    assert (action.manifest["kind"], action.uid) == ("Secret", "uid-paas-registry")


def test_pusher_may_instantiate_and_nobody_else_is_bound():
    binding = given_all().children[ROLEBINDING, "paas-pusher"]
    assert binding["roleRef"]["name"] == "paas-pusher"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "pusher", "namespace": "demo"}]


def test_given_accounts_mount_no_token():
    for name in ("builder", "pusher"):
        assert given_all().children[SERVICEACCOUNT, name]["automountServiceAccountToken"] is False


def test_builds_reach_dns_the_platform_and_the_internet_but_no_private_address():
    spec = given_all().children[NETWORKPOLICY, "paas-builds"]["spec"]
    assert spec["podSelector"] == {"matchExpressions": [{"key": "paas.dev/build", "operator": "Exists"}]}
    assert "ingress" not in spec
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    dns, rest = spec["egress"]
    assert {(port["protocol"], port["port"]) for port in dns["ports"]} == {("UDP", 53), ("TCP", 53)}
    blocks = {to["ipBlock"]["cidr"]: to["ipBlock"].get("except", []) for to in rest["to"] if "ipBlock" in to}
    assert {"169.254.0.0/16", "10.0.0.0/8"} <= set(blocks["0.0.0.0/0"])
    assert "fc00::/7" in blocks["::/0"]
    assert "192.168.7.0/24" in blocks


def test_pods_are_reached_from_their_project_and_from_the_ingress_controller():
    spec = given_all().children[NETWORKPOLICY, "paas-isolation"]["spec"]
    (rule,) = spec["ingress"]
    same, ingress = rule["from"]
    assert same == {"podSelector": {}}
    (expression,) = ingress["namespaceSelector"]["matchExpressions"]
    assert expression["values"] == ["kube-system", "paas-system", "traefik"]


def test_a_container_that_says_nothing_has_a_memory_limit():
    (limit,) = given_all().children[LIMITRANGE, "paas-defaults"]["spec"]["limits"]
    assert limit["default"]["memory"] == "1Gi"


@pytest.mark.parametrize(("resource", "name"), NAMES)
def test_a_foreign_object_under_a_name_is_never_touched_and_told_once(resource, name):
    foreign = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"namespace": "demo", "name": name, "uid": "foreign"},
    }
    cluster = observed(children={(resource, name): foreign}, may_write_secrets=True)
    result = planned(cluster)
    assert all(
        (resource_of(action.manifest), action.manifest["metadata"]["name"]) != (resource, name)
        for action in result.actions
        if isinstance(action, Apply)
    )
    after = applied(result, cluster)
    assert after.children[resource, name] is foreign
    assert set(after.children) == set(NAMES)  # the rest is given all the same
    assert status_of(after.namespace).startswith(f"stalled: {resource.kind} {name} exist")
    assert [action.reason for action in result.actions if isinstance(action, Event)] == ["NameTaken"]
    assert planned(after) == Plan((Requeue(RECHECK),)), "the objects of others are not watched"


@pytest.mark.parametrize(("resource", "name"), NAMES)
def test_what_somebody_takes_away_is_given_again(resource, name):
    cluster = given_all()
    left = {key: child for key, child in cluster.children.items() if key != (resource, name)}
    (action,) = planned(replace(cluster, children=left)).actions
    assert isinstance(action, Apply)
    assert (action.manifest["kind"], action.uid) == (resource.kind, None)


def test_what_somebody_changed_is_put_right():
    cluster = given_all()
    policy = cluster.children[NETWORKPOLICY, "paas-isolation"]
    opened = {**policy, "spec": {**policy["spec"], "ingress": [{}]}}
    changed = replace(cluster, children={**cluster.children, (NETWORKPOLICY, "paas-isolation"): opened})
    (action,) = planned(changed).actions
    assert isinstance(action, Apply)
    assert action.uid == "uid-paas-isolation"


def test_other_pull_secrets_of_the_default_account_stay():
    after = settled(observed(default_account=account("default", "theirs")))
    assert after.default_account["imagePullSecrets"] == [{"name": "theirs"}, {"name": "paas-registry"}]


def test_before_the_default_account_exists_the_project_is_being_prepared():
    after = settled(observed(default_account=None))
    assert status_of(after.namespace).startswith("preparing")
    assert status_of(settled(replace(after, default_account=account())).namespace) == "ready"


def test_the_operator_writes_the_secret_when_its_own_right_to_is_in_force():
    cluster = observed()
    first = planned(cluster)
    kinds = [action.manifest["kind"] for action in first.actions if isinstance(action, Apply)]
    assert kinds[0] == "RoleBinding"
    assert "Secret" not in kinds
    assert Requeue(SOON) in first.actions, "nothing tells when a right is in force"
    given = applied(first, cluster)
    binding = given.children[ROLEBINDING, "paas-secrets"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "operator", "namespace": "paas-system"}]
    waiting = replace(given, may_write_secrets=False)
    assert status_of(waiting.namespace) == "preparing: the operator may not write Secrets here yet"
    assert planned(waiting) == Plan((Requeue(SOON),))
    assert SECRET not in {resource for resource, _ in given.children}
    assert (SECRET, "paas-registry") in settled(given).children


def test_a_binding_that_gives_no_right_is_said_and_not_looked_at_all_the_time():
    """The ClusterRole is gone, or was changed: nothing comes of waiting."""
    given = replace(given_all(), may_write_secrets=False)
    soon = plan_module.plan(given, now=NOW + timedelta(seconds=10), settings=SETTINGS)
    assert Requeue(SOON) in soon.actions
    later = plan_module.plan(given, now=NOW + timedelta(seconds=25), settings=SETTINGS)
    assert [action for action in later.actions if isinstance(action, Requeue)] == [Requeue(RECHECK)]
    said = status_of(applied(later, given).namespace)
    assert said.startswith(
        "stalled: the operator may not write Secrets here, although RoleBinding paas-secrets"
    )
    assert "paas up, or paas install" in said
    assert [action.reason for action in later.actions if isinstance(action, Event)] == ["Refused"]


@pytest.mark.parametrize("level", ["restricted", "privileged"])
def test_an_administrators_pod_security_level_stays(level):
    after = settled(observed(namespace=namespace(**{POD_SECURITY: level})))
    assert after.namespace["metadata"]["labels"][POD_SECURITY] == level
    assert planned(after) == Plan()


@pytest.mark.parametrize("name", ["paas", "default", "kube-system", "openshift-x", "paas-system"])
def test_a_reserved_name_is_no_project(name):
    assert is_reserved(name)
    assert not is_project(namespace(name))
    cluster = observed(namespace=namespace(name))
    after = applied(planned(cluster), cluster)
    assert not after.children
    assert "reserved" in status_of(after.namespace)
    assert POD_SECURITY not in after.namespace["metadata"]["labels"]
    assert planned(after) == Plan()


def test_names_that_only_look_reserved_are_projects():
    assert is_project(namespace("kubectl"))
    assert is_project(namespace("paasta"))
    assert not is_project(None)
    assert not is_project({"metadata": {"name": "x"}})


children_strategy = st.dictionaries(
    st.sampled_from(NAMES), st.sampled_from(["foreign", "ours", "ours, changed", "ours, of an older version"])
)


@settings(max_examples=300, derandomize=True)
@given(
    children_strategy,
    st.sampled_from([None, account(), account("default", "theirs"), account("default", PULL_SECRET)]),
    st.sampled_from([{}, {POD_SECURITY: "baseline"}, {POD_SECURITY: "restricted"}]),
    st.sampled_from(["demo", "kube-system"]),
    st.sampled_from([None, "ready", "preparing: x", "stalled: x"]),
    st.booleans(),
    st.booleans(),
)
def a_plan_after_its_plan_was_applied_is_empty(
    kinds, default_account, labels, name, said, one_else_bound, old
):
    whole = given_all().children
    children = {}
    for key, kind in kinds.items():
        child = whole[key]
        metadata = dict(child["metadata"]) | ({"creationTimestamp": "2025-01-01T00:00:00Z"} if old else {})
        if kind == "foreign":
            metadata.pop("ownerReferences")
        if kind == "ours, of an older version":
            metadata["annotations"] = {ANNOTATION_DESIRED: "older"}
        child = {**child, "metadata": metadata}
        if kind == "ours, changed":
            child = {part: value for part, value in child.items() if part not in ("spec", "data", "subjects")}
        children[key] = child
    one = namespace(name, **labels)
    if said:
        one["metadata"]["annotations"] = {ANNOTATION_STATUS: said}
    # whoever has taken the name of the binding may have given the right, too
    bound = kinds.get((ROLEBINDING, "paas-secrets"), "foreign") != "foreign" or one_else_bound
    cluster = Observed(one, "s3cret", children, default_account, may_write_secrets=bound)
    after = settled(cluster)
    taken = "foreign" in kinds.values() and is_project(one)
    again = Requeue(RECHECK if old else SOON)
    waits = () if after.may_write_secrets or not is_project(one) else (again,)
    assert planned(after) == Plan((*waits, *((Requeue(RECHECK),) if taken else ())))
    settled(replace(after, pull_password=None))


def test_a_key_that_cannot_be_read_is_said_and_all_else_is_made():
    cluster = observed(pull_password=None)
    plan = planned(cluster)
    after = applied(plan, cluster)
    assert status_of(after.namespace).startswith("stalled: the platform's credential key cannot be read")
    assert set(after.children) == {(resource, name) for resource, name in NAMES if resource != SECRET}
    assert any(isinstance(action, Requeue) for action in plan.actions), "files are not watched"
    assert status_of(settled(replace(after, pull_password="s3cret")).namespace) == "ready"


@settings(max_examples=100, derandomize=True)
@given(
    st.sets(st.sampled_from(["Secret", "LimitRange", "NetworkPolicy", "Namespace"]), min_size=1),
    st.sampled_from([None, account()]),
    st.booleans(),
)
def what_the_cluster_refuses_is_said_and_done_later(kinds, default_account, grant):
    refusing = Refusing()
    for kind in kinds:
        refusing.toggle("Apply", kind)
    if grant:
        refusing.toggle("GrantPull", "")
    cluster = settled_against(observed(default_account=default_account, may_write_secrets=True), refusing)
    said = status_of(cluster.namespace)
    if "Namespace" in kinds:
        assert said == "", "it cannot be said there"
    else:
        kind = refusing.known[0].subject[1]
        assert said.startswith(f"stalled: the cluster refuses {kind} ")
        assert "exceeded quota" in said
        assert "kubectl describe quota -n demo" in said
    refusing.refuses.clear()
    cluster = settled_against(cluster, refusing)
    assert refusing.known == ()
    assert planned(cluster) == Plan()
    assert status_of(cluster.namespace).startswith("ready" if default_account else "preparing")


def settled_against(cluster, refusing):
    """After plans in a cluster that refuses something, until they come to rest."""
    after = [cluster]

    def carry_out(action):
        after[0] = applied(Plan((action,)), after[0])

    for _ in range(20):
        if not refusing.run(planned(replace(after[0], refusals=refusing.known)), carry_out):
            return after[0]
    raise AssertionError("the plans never come to rest")


@pytest.mark.parametrize("module", [plan_module, default_objects_module], ids=["plan", "default_objects"])
def test_a_plan_after_its_plan_was_applied_is_empty_and_every_branch_was_reached(module):
    with every_branch(module) as missed:
        a_plan_after_its_plan_was_applied_is_empty()
        what_the_cluster_refuses_is_said_and_done_later()
    assert missed == []
