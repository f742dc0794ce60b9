"""Somebody with rights in one project only: what is lacking is said by name, and own projects are listed."""

from __future__ import annotations

import uuid

import pytest

from paas.api.resources import Key
from paas.kube.cluster import Cluster
from paas.node.apiserver import ApiServer
from tests.support import command_line
from tests.support.command_line import Person
from tests.support.people import grant, kubeconfig_of, make_account

pytestmark = pytest.mark.integration


@pytest.fixture
def developer(person: Person, cluster: ApiServer) -> Person:
    """May look at one project and its applications, and knows of no other."""

    async def made(api: Cluster) -> None:
        account = Key(person.project, "dev")
        await make_account(api, account)
        await grant(
            api,
            account,
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
            {"apiGroups": ["paas.dev"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
        )
        # as the platform's own manifests allow it to everybody who is known
        name = f"paas-info-{uuid.uuid4().hex[:8]}"
        metadata, rbac = {"namespace": "paas-system", "name": name}, "rbac.authorization.k8s.io"
        rule = {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "verbs": ["get"],
            "resourceNames": ["paas-info"],
        }
        role = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]}
        everybody = {"apiGroup": rbac, "kind": "Group", "name": "system:authenticated"}
        binding = {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [everybody],
        }
        for manifest in (role, binding):
            await api.create(manifest, manager="test")
        await kubeconfig_of(api, cluster, account, person.home / "developer")

    person.cluster(made)
    return Person(person.home / "developer", person.home, person.project)


def test_own_projects_are_listed_where_all_may_not_be(person: Person, developer: Person) -> None:
    other = f"other-{uuid.uuid4().hex[:8]}"
    person.create(*command_line.project(other))
    said = developer.paas("get", "projects")
    assert said.code == 0, said.err
    assert person.project in said.out
    assert other not in said.out
    assert "You may not list all projects; these are those that your kubeconfig names" in said.err
    assert developer.paas("get", "projects", "-o", "name").out.split() == [f"namespace/{person.project}"]
    assert person.project in developer.paas("get", "project", person.project).out
    refused = developer.paas("get", "project", other)
    assert (refused.code, refused.out) == (4, "")
    assert f'you may not get namespaces in project "{other}"' in refused.err


def test_what_is_lacking_is_named(developer: Person) -> None:
    everywhere = developer.paas("get", "dc", "-A")
    assert everywhere.code == 4
    assert "you may not list deploymentconfigs of the whole cluster" in everywhere.err
    assert "leave -A out and name a project with -n; paas get projects lists yours" in everywhere.err
    new = developer.paas("new-project", f"mine-{uuid.uuid4().hex[:8]}", "--no-switch")
    assert new.code == 4
    assert "you may not create namespaces of the whole cluster" in new.err
    assert "ask an administrator of the cluster to make it" in new.err
    secret = developer.paas("get", "secrets")
    assert secret.code == 4
    assert "you may not list secrets in project" in secret.err
    assert "--clusterrole=edit --serviceaccount=" in secret.err
