"""What the platform's manifests are given: settings, keys, image and hosts; nothing else changes them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from paas.api.resources import ROLEBINDING, Manifest
from paas.install.apply import shipped_manifests
from paas.install.manifests import (
    BY_NAME,
    MIDDLEWARES,
    REPOSITORIES_MARK,
    Keys,
    binds_repositories,
    by_name_until,
    manifests,
    mounted_settings,
    widened,
)
from paas.projects.default_objects import NAMES
from paas.settings import Settings, parse

KEYS = Keys("the CA", "the CA's key", "the token key")


def made(**settings: Any) -> list[Manifest]:
    wanted = Settings.model_validate({"domain": "apps.example.com", "platformImage": "paas:2", **settings})
    return manifests(shipped_manifests("deploy"), wanted, KEYS, credentials_key="secret")


def one(kind: str, name: str, objects: list[Manifest]) -> Manifest:
    (found,) = [o for o in objects if o["kind"] == kind and o["metadata"]["name"].startswith(name)]
    return found


def test_the_order_keeps_the_platform_whole_while_it_is_replaced() -> None:
    """What processes need comes before them; the address leads to the front before the old server goes."""
    order = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in made()]
    assert order[0][0] == "Namespace"
    kinds = [kind for kind, _ in order]
    assert kinds[-6:-2] == ["Deployment", "Deployment", "Ingress", "Ingress"]
    assert {name for kind, name in order[-6:-4]} == {"operator", "front"}
    # an older server hands out tokens with that key until it is replaced
    assert order[-2:] == [("Secret", "server-keys"), ("Deployment", "server")]


def test_rights_of_an_older_process_stay_while_it_runs() -> None:
    role = one("ClusterRole", "paas-server", made())
    new, old, kept = ({"apiGroups": [""], "resources": [name], "verbs": ["get"]} for name in "abc")
    role["rules"] = [new, kept]
    assert widened(role, None) is role
    assert widened(role, {**role, "rules": [kept, new]}) is role
    assert widened(role, {**role, "rules": [old, kept]})["rules"] == [new, kept, old]
    assert role["rules"] == [new, kept]


def test_the_operator_says_that_its_repositories_are_bound_to_uids() -> None:
    """Without that, the installer takes it for one of a version that has them by name."""
    assert binds_repositories(one("Deployment", "operator", made()))
    assert not binds_repositories({"metadata": {"name": "operator"}})


def test_the_front_survives_the_loss_of_one_of_its_pods() -> None:
    objects = made()
    front, budget = one("Deployment", "front", objects), one("PodDisruptionBudget", "front", objects)
    assert front["spec"]["replicas"] == 2
    assert front["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert budget["spec"]["minAvailable"] == 1
    assert budget["spec"]["selector"] == front["spec"]["selector"]
    assert not [v for v in front["spec"]["template"]["spec"]["volumes"] if "persistentVolumeClaim" in v]


def test_health_and_metrics_are_behind_no_service() -> None:
    objects = made()
    ports = {port["targetPort"] for o in objects if o["kind"] == "Service" for port in o["spec"]["ports"]}
    assert ports == {"http"}
    for process in ("operator", "server", "front"):
        (container,) = one("Deployment", process, objects)["spec"]["template"]["spec"]["containers"]
        assert {"name": "health", "containerPort": 8080} in container["ports"]
        for probe in ("livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] == "health"


def test_every_process_is_started_again_without_the_kubelet() -> None:
    for process in ("operator", "server", "front"):
        (container,) = one("Deployment", process, made())["spec"]["template"]["spec"]["containers"]
        assert container["args"] == ["python", "-m", "paas.init", process]
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError", "the pod names the cause"


def test_a_change_of_settings_changes_the_name_that_the_processes_mount() -> None:
    before, after = made(), made(httpPort=1234)
    for objects in (before, after):
        config = one("ConfigMap", "paas-", [o for o in objects if "settings.yaml" in o.get("data", {})])
        for process in ("operator", "server", "front"):
            pod = one("Deployment", process, objects)["spec"]["template"]["spec"]
            mounted = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
            assert config["metadata"]["name"] in mounted
            assert [container["image"] for container in pod["containers"]] == ["paas:2"]
    assert one("Deployment", "server", before) != one("Deployment", "server", after)


def test_each_process_gets_its_own_keys_only() -> None:
    keys = {
        name: one("Secret", name, made())["data"] for name in ("operator-keys", "server-keys", "front-keys")
    }
    assert set(keys["operator-keys"]) == {"credentials.key", "ca.key"}
    assert set(keys["server-keys"]) == {"credentials.key"}
    assert set(keys["front-keys"]) == {"credentials.key", "registry-token.key"}
    assert base64.b64decode(keys["operator-keys"]["ca.key"]) == b"the CA's key"


def test_the_platform_answers_under_the_domain_of_the_settings() -> None:
    https, plain = (i for i in made(redirectMiddleware="other@file") if i["kind"] == "Ingress")
    hosts = [rule["host"] for rule in https["spec"]["rules"]]
    assert hosts == ["paas.apps.example.com", "paas.paas.internal"]
    assert https["spec"]["tls"] == [{"hosts": hosts}]
    assert [rule["host"] for rule in plain["spec"]["rules"]] == ["paas.apps.example.com"]
    assert plain["metadata"]["annotations"][MIDDLEWARES] == "other@file"


def test_every_ingress_names_its_entry_point_and_plain_http_is_redirected() -> None:
    """Traefik serves an Ingress that names none on all of them."""
    for ingress in (manifest for manifest in made() if manifest["kind"] == "Ingress"):
        annotations = ingress["metadata"]["annotations"]
        entry = annotations["traefik.ingress.kubernetes.io/router.entrypoints"]
        assert (entry == "websecure") != (MIDDLEWARES in annotations)
        assert entry in ("websecure", "web")


def test_a_pod_that_takes_no_connection_is_not_the_last_word() -> None:
    """Where the settings name who asks again: a name that Traefik does not know would stop the address."""
    https, plain = (i for i in made(retryMiddleware="again@file") if i["kind"] == "Ingress")
    assert https["metadata"]["annotations"][MIDDLEWARES] == "again@file"
    assert plain["metadata"]["annotations"][MIDDLEWARES] == "paas-redirect@file"


def test_the_policies_know_the_domain_of_the_settings() -> None:
    policies = [each for each in made() if each["kind"] == "ValidatingAdmissionPolicy"]
    bound = [each["spec"]["policyName"] for each in made() if each["kind"].endswith("PolicyBinding")]
    assert sorted(bound) == sorted(each["metadata"]["name"] for each in policies)
    domains = {
        (each["metadata"]["name"], variable["expression"])
        for each in policies
        for variable in each["spec"]["variables"]
        if variable["name"] == "domain"
    }
    assert domains == {("paas-hosts", '"apps.example.com"'), ("paas-custom-host", '"apps.example.com"')}
    assert "apps.localhost" not in str(policies)


@pytest.mark.parametrize("policy", ["paas-hosts", "paas-certificates", "paas-operator"])
def test_the_policies_are_about_the_account_that_the_operator_has(policy: str) -> None:
    operator = one("Deployment", "operator", made())
    name = operator["spec"]["template"]["spec"]["serviceAccountName"]
    account = f"{operator['metadata']['namespace']}:{name}"
    conditions = one("ValidatingAdmissionPolicy", policy, made())["spec"]["matchConditions"]
    named = [each["expression"] for each in conditions if "userInfo" in each["expression"]]
    assert len(named) == 1
    assert f"'system:serviceaccount:{account}'" in named[0]


def test_the_operator_may_bind_the_roles_that_projects_are_given_and_no_others() -> None:
    (rule,) = (r for r in one("ClusterRole", "paas-operator", made())["rules"] if "bind" in r["verbs"])
    given = {role for resource, role in NAMES if resource == ROLEBINDING}
    assert set(rule["resourceNames"]) == given
    policy = one("ValidatingAdmissionPolicy", "paas-operator", made())
    assert f"{rule['resourceNames']}" in str(policy["spec"]["validations"]).replace("\\'", "'")


def test_the_operators_policy_knows_every_kind_that_it_writes() -> None:
    """What it may create or patch is either bounded by the policy, or of no harm anywhere."""
    policy = one("ValidatingAdmissionPolicy", "paas-operator", made())
    rules = policy["spec"]["matchConstraints"]["resourceRules"]
    bounded = {(group, kind) for rule in rules for group in rule["apiGroups"] for kind in rule["resources"]}
    roles = [one("ClusterRole", name, made()) for name in ("paas-operator", "paas-secrets")]
    writes = {
        (group, kind)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for kind in rule["resources"]
        if {"create", "update", "patch"} & set(rule["verbs"]) and "/" not in kind
    }
    assert writes - bounded == {("", "events")}
    assert bounded <= writes


@pytest.mark.parametrize(("setting", "aggregated"), [("edit", "true"), ("granted", "false")])
def test_who_may_choose_hosts_is_a_setting(setting: str, aggregated: str) -> None:
    role = one("ClusterRole", "paas-custom-host", made(customHosts=setting))
    assert set(role["metadata"]["labels"].values()) == {aggregated}


def test_settings_that_a_rollback_mounts_are_known() -> None:
    volumes = [{"name": "settings", "configMap": {"name": "paas-old"}}, {"name": "keys", "secret": {}}]
    idle = {"spec": {"replicas": 0, "template": {"spec": {"volumes": volumes}}}}
    bare: Manifest = {"spec": {"template": {"spec": {}}}}
    assert mounted_settings([idle, bare]) == {"paas-old"}


@pytest.mark.parametrize(("until", "by_name"), [("", "false"), ("2026-11-26T10:00:00Z", "true")])
def test_the_mark_of_repositories_by_name_says_what_the_settings_say(until: str, by_name: str) -> None:
    """So a later installation reads from it what this one did, whichever kind of cluster it was."""
    objects = made(repositoriesByNameUntil=until)
    mark = one("ConfigMap", REPOSITORIES_MARK, objects)
    assert mark["data"] == {BY_NAME: by_name}
    mark["metadata"]["creationTimestamp"] = "2026-11-26T10:00:00Z"
    assert by_name_until(mark) == until
    assert by_name_until(None) == ""
    (config,) = [o for o in objects if o["kind"] == "ConfigMap" and "settings.yaml" in o["data"]]
    assert parse(config["data"]["settings.yaml"]).repositories_by_name_until == until
