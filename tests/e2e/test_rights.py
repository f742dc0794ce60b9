"""The shipped roles are enough and not too much: held against the audit log of all the tests before.

It runs last (see conftest.py).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.platform import Instance

pytestmark = pytest.mark.e2e
ACCOUNTS = ("operator", "server", "front")


def roles(instance: Instance) -> dict[str, list[dict[str, Any]]]:
    """Rules of each of our accounts, by account."""
    found: dict[str, list[dict[str, Any]]] = {account: [] for account in ACCOUNTS}
    listed = json.loads(
        instance.kubectl("get", "clusterrolebindings,rolebindings", "-A", "-o", "json").ok().out
    )
    for binding in listed["items"]:
        for subject in binding.get("subjects") or ():
            if (subject.get("kind"), subject.get("namespace")) != ("ServiceAccount", "paas-system"):
                continue
            namespace = binding["metadata"].get("namespace")
            where = ["-n", namespace] if binding["roleRef"]["kind"] == "Role" else []
            got = instance.kubectl(
                "get", binding["roleRef"]["kind"].lower(), binding["roleRef"]["name"], *where, "-o", "json"
            ).ok()
            found.setdefault(subject["name"], []).extend(json.loads(got.out).get("rules") or ())
    return found


def test_nothing_was_refused_to_the_platform(instance: Instance) -> None:
    refused = {
        (entry.user, entry.verb, entry.resource, entry.code)
        for entry in instance.audited()
        if entry.user.startswith("system:serviceaccount:paas-system:")
        # a 403 that the authorizers allowed is the API server's word that a namespace is being deleted
        and (entry.code == 401 or entry.decision == "forbid")
    }
    assert refused == set()


def test_no_role_of_ours_has_a_wildcard_or_hands_rights_on(instance: Instance) -> None:
    for account, rules in roles(instance).items():
        assert rules, f"{account} has rules"
        for rule in rules:
            words = [*rule["verbs"], *rule.get("resources", ()), *rule.get("apiGroups", ())]
            assert "*" not in words, (account, rule)
            assert not {"escalate", "impersonate"} & set(rule["verbs"]), (account, rule)
            if "bind" in rule["verbs"]:
                # where it may bind them is bounded by the policy paas-operator
                assert account == "operator"
                assert set(rule["resourceNames"]) == {"paas-secrets", "paas-webhooks", "paas-pusher"}


def test_no_process_reads_a_secret_outside_of_projects(instance: Instance) -> None:
    outside = [
        (entry.user, entry.verb, entry.uri)
        for entry in instance.audited()
        if entry.user.startswith("system:serviceaccount:paas-system:")
        and entry.resource == "secrets"
        and entry.uri.startswith(("/api/v1/namespaces/kube-", "/api/v1/namespaces/paas-system/"))
    ]
    assert outside == []
    for account in ACCOUNTS:
        user = f"system:serviceaccount:paas-system:{account}"
        for namespace in ("paas-system", "kube-system", "default"):
            asked = instance.kubectl("auth", "can-i", "get", "secrets", "-n", namespace, "--as", user)
            assert asked.out.strip() == "no", (account, namespace)


def test_secrets_are_never_listed_or_watched(instance: Instance) -> None:
    listed = [
        (entry.user, entry.verb, entry.uri)
        for entry in instance.audited()
        if entry.user.startswith("system:serviceaccount:paas-system:")
        and entry.resource == "secrets"
        and entry.verb in ("list", "watch")
    ]
    assert listed == []
    for account, rules in roles(instance).items():
        for rule in rules:
            if "secrets" in rule.get("resources", ()):
                assert not {"list", "watch"} & set(rule["verbs"]), (account, rule)


Right = tuple[str, str, str, str]
"""Account, API group, resource (with its subresource) and verb."""
UNUSED: frozenset[Right] = frozenset(
    {
        # The API server asks for it when a RoleBinding is made; no request does.
        ("operator", "rbac.authorization.k8s.io", "clusterroles", "bind"),
    }
)
"""Rights that no request ever needs."""
APPLIED: frozenset[Right] = frozenset(
    {
        *(("operator", "", resource, "create") for resource in ("limitranges", "serviceaccounts")),
        *(("operator", "networking.k8s.io", kind, "create") for kind in ("ingresses", "networkpolicies")),
        ("operator", "apps", "deployments", "create"),
        ("operator", "rbac.authorization.k8s.io", "rolebindings", "create"),
    }
)
"""The API server asks for `create` when an apply makes the object; the audit log says `patch`."""
SELDOM: frozenset[Right] = frozenset(
    {
        # Of a pod that may not be made, of what is replaced or has too much history, of polls of git hosts.
        ("operator", "", "events", "list"),
        ("operator", "networking.k8s.io", "ingresses", "delete"),
        ("operator", "apps", "controllerrevisions", "delete"),
        ("server", "", "secrets", "get"),
        ("server", "paas.dev", "buildconfigs/status", "patch"),
        # A push that is followed while its address is not published yet.
        ("server", "paas.dev", "routes", "watch"),
        # Read live only when a watch is behind, so perhaps not in this run.
        *(("operator", "", resource, "get") for resource in ("pods", "services", "nodes", "limitranges")),
        *(("operator", "", resource, "get") for resource in ("namespaces", "serviceaccounts")),
        *(("operator", "paas.dev", kind, "get") for kind in
          ("buildconfigs", "builds", "imagestreams", "deploymentconfigs", "routes")),
        ("operator", "apps", "deployments", "get"),
        ("operator", "apps", "controllerrevisions", "get"),
        ("operator", "batch", "jobs", "get"),
        ("operator", "autoscaling", "horizontalpodautoscalers", "get"),
        ("operator", "networking.k8s.io", "ingresses", "get"),
        ("operator", "networking.k8s.io", "networkpolicies", "get"),
        ("operator", "rbac.authorization.k8s.io", "rolebindings", "get"),
    }
)  # fmt: skip
"""Rights that a run may do without."""


def granted(instance: Instance) -> set[Right]:
    return {
        (account, group, resource, verb)
        for account, rules in roles(instance).items()
        for rule in rules
        for group in rule.get("apiGroups", ())
        for resource in rule.get("resources", ())
        for verb in rule["verbs"]
        # The API server asks for it when an object names its owner; no request does.
        if not resource.endswith("/finalizers")
    }


def test_t20_every_right_that_was_granted_was_used(instance: Instance) -> None:
    used = {
        (entry.user.rsplit(":", 1)[1], entry.group, entry.resource, entry.verb)
        for entry in instance.audited()
        if entry.user.startswith("system:serviceaccount:paas-system:")
    }
    unused = granted(instance) - used
    assert unused - UNUSED - APPLIED - SELDOM == set()
    assert unused >= UNUSED, "what is used needs no exception"
