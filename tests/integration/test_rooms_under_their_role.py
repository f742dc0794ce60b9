"""T13: images, routes and projects under the role that deploy/ ships: enough, and nothing refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from paas.api.project import status_of
from paas.api.resources import IMAGESTREAM, INGRESS, NAMESPACE, ROUTE, SECRET, Key, Manifest
from paas.images.controller import ImagesController
from paas.kube.cluster import Cluster, UserInfo
from paas.kube.errors import AlreadyExists, DeniedByPolicy, Forbidden
from paas.kube.view import View
from paas.node.apiserver import ApiServer
from paas.node.audit import entries
from paas.projects.controller import ProjectsController
from paas.reconcile.controller import Controller
from paas.routes.controller import RoutesController
from paas.settings import Settings
from tests.support.images import make_build, stream
from tests.support.operating import operating
from tests.support.people import kubeconfig_of
from tests.support.rooms import after_second, condition, eventually, make_project, set_status, settings_in
from tests.support.routes import route, service

pytestmark = pytest.mark.integration
OPERATOR = "system:serviceaccount:paas-system:operator"


@pytest.fixture
async def operator_kubeconfig(api: Cluster, cluster: ApiServer, tmp_path: Path) -> Path:
    """A kubeconfig of the operator's ServiceAccount, with what deploy/ gives it and no more."""
    deploy = Path(__file__).parents[2] / "deploy"
    for name in ("namespace.yaml", "rbac.yaml", "policies.yaml"):
        for manifest in yaml.safe_load_all((deploy / name).read_text()):
            try:
                await api.create(manifest, manager="test")
            except AlreadyExists:
                await api.apply(manifest, manager="test")
    return await kubeconfig_of(api, cluster, Key("paas-system", "operator"), tmp_path / "operator.kubeconfig")


async def test_t13_the_shipped_role_is_enough_and_nothing_is_refused(
    api: Cluster, cluster: ApiServer, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    def make(door: Cluster, view: View, chosen: Settings) -> list[Controller[Any]]:
        return [
            kind(cluster=door, view=view, settings=chosen)
            for kind in (ProjectsController, ImagesController, RoutesController)
        ]

    with operating(operator_kubeconfig, make, settings=settings_in(tmp_path)):
        project = await make_project(api, "role")

        async def ready() -> bool:
            return status_of(await api.get(NAMESPACE, Key("", project))) == "ready"

        await eventually(ready)
        await api.create(stream(project), manager="test")
        await make_build(api, project, 1)
        await eventually(lambda: holds(api, IMAGESTREAM, Key(project, "shop"), ("True", "Reconciled")))
        await everything_about_routes(api, project)
    lines = cluster.audit_log.read_text().splitlines()
    ours = [entry for entry in entries(lines) if entry.user == OPERATOR]
    # Projects that other tests have left are given their rights while the Routes in them are looked at.
    here = [entry for entry in ours if entry.namespace in ("", project)]
    assert {"secrets", "ingresses", "routes/status"} <= {entry.resource for entry in here}
    assert not [(e.verb, e.resource, e.name, e.code) for e in here if e.code in (401, 403)]
    assert not [e for e in ours if e.resource == "secrets" and e.verb in ("list", "watch")]


async def holds(api: Cluster, resource: Any, key: Key, ready: tuple[str, str]) -> bool:
    return await condition(api, resource, key, "Ready") == ready


async def everything_about_routes(api: Cluster, project: str) -> None:
    """A Route with a certificate of its own is published, changed, refused and published again."""
    key = Key(project, "shop")
    tls = {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
    spec: Manifest = {"host": f"deep.{project}.apps.test", "tls": tls, "to": {"name": "shop"}}
    manifest = {
        "apiVersion": "paas.dev/v1",
        "kind": "Route",
        "metadata": {"name": "shop", "namespace": project},
        "spec": spec,
    }
    await api.create(manifest, manager="test")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop", "namespace": project},
        "spec": {"ports": [{"port": 80}]},
    }
    await api.create(service, manager="test")
    ingress = await eventually(lambda: api.get(INGRESS, key))
    await set_status(api, ingress, {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}})
    await eventually(lambda: holds(api, ROUTE, key, ("True", "Reconciled")))
    assert await api.get(SECRET, Key(project, "shop.route-tls")) is not None
    for change, ready in (
        ({"host": "paas.apps.test"}, ("False", "HostReserved")),
        (
            {"host": spec["host"], "tls": {"insecureEdgeTerminationPolicy": "None"}},
            ("False", "AddressPending"),
        ),
    ):
        await api.patch(ROUTE, key, {"spec": change}, manager="test")
        await eventually(lambda ready=ready: holds(api, ROUTE, key, ready))


async def test_t20_the_platform_reads_secrets_of_projects_only(
    api: Cluster, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    def make(door: Cluster, view: View, chosen: Settings) -> list[Controller[Any]]:
        return [ProjectsController(cluster=door, view=view, settings=chosen)]

    async def may_read(namespace: str) -> bool:
        answers = {
            await api.allowed(
                UserInfo(f"system:serviceaccount:paas-system:{account}"),
                verb="get", resource="secrets", group="", namespace=namespace,
            )
            for account in ("operator", "server", "front")
        }  # fmt: skip
        return answers == {True}

    with operating(operator_kubeconfig, make, settings=settings_in(tmp_path)):
        project = await make_project(api, "webhooks")
        await eventually(lambda: may_read(project))
    for namespace in ("paas-system", "kube-system", "default"):
        for account in ("operator", "server", "front"):
            user = UserInfo(f"system:serviceaccount:paas-system:{account}")
            assert not await api.allowed(user, verb="get", resource="secrets", group="", namespace=namespace)


async def test_a_route_whose_secret_may_not_be_read_holds_up_no_other(
    api: Cluster, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    """One in a namespace that is no project, and one whose project took the operator's right away; both are
    older."""

    def make(door: Cluster, view: View, chosen: Settings) -> list[Controller[Any]]:
        return [RoutesController(cluster=door, view=view, settings=chosen)]

    host = f"deep.{uuid4().hex[:8]}.apps.test"
    plain = f"plain-{uuid4().hex[:6]}"
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": plain}}, manager="test")
    unbound, project = await make_project(api, "unbound"), await make_project(api, "others")
    await api.create(binding(project, SECRETS), manager="test")
    for namespace in (plain, unbound, project):
        await api.create(service(namespace), manager="test")

    async def published(namespace: str) -> None:
        wanted = route("shop", namespace, host=host, tls={"termination": "edge"})
        await api.create(wanted, manager="test")

    async def says(namespace: str, reason: str) -> bool:
        return (await condition(api, ROUTE, Key(namespace, "shop"), "Ready"))[1] == reason

    with operating(operator_kubeconfig, make, settings=settings_in(tmp_path)):
        for namespace in (plain, unbound):
            await published(namespace)
        await eventually(lambda: says(plain, "NotAProject"))
        await eventually(lambda: says(unbound, "Refused"))
        older = await api.get(ROUTE, Key(unbound, "shop"))
        assert older is not None
        await after_second(older["metadata"]["creationTimestamp"])  # of the same second the UID decides
        await published(project)
        await eventually(lambda: says(project, "HostAlreadyClaimed"))
        await api.delete(ROUTE, Key(unbound, "shop"))
        await eventually(lambda: api.get(INGRESS, Key(project, "shop")))
        assert await api.get(SECRET, Key(project, "shop.route-tls")) is not None


SECRETS = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "paas-secrets"}
OURSELVES = {"kind": "ServiceAccount", "name": "operator", "namespace": "paas-system"}


def binding(namespace: str, role: dict[str, str]) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "own", "namespace": namespace},
        "roleRef": role,
        "subjects": [OURSELVES],
    }


async def test_t20_the_operator_gives_itself_no_way_out_of_projects(
    api: Cluster, operator_kubeconfig: Path
) -> None:
    project = await make_project(api, "bounded")
    plain = f"plain-{uuid4().hex[:6]}"
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": plain}}, manager="test")
    reserved = {"metadata": {"labels": {"paas.dev/project": "true"}}}
    await api.patch(NAMESPACE, Key("", "paas-system"), reserved, manager="test")
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    async with await Cluster.connect(operator_kubeconfig) as door:

        async def bounded() -> bool:
            try:
                made = {**account, "metadata": {"name": "probe", "namespace": plain}}
                await door.create(made, manager="test", dry_run=True)
            except DeniedByPolicy:
                return True
            except Forbidden:
                return False
            return False

        await eventually(bounded)
        for namespace in ("kube-system", "paas-system", "default", plain):
            with pytest.raises(DeniedByPolicy, match="writes in projects only"):
                await door.create(binding(namespace, SECRETS), manager="test")
        with pytest.raises(DeniedByPolicy, match="makes no namespace a project"):
            await door.patch(NAMESPACE, Key("", plain), reserved, manager="test")
        # RBAC's own wall: neither held nor among the names that it may bind
        with pytest.raises(Forbidden, match="not currently held"):
            await door.create(binding(project, {**SECRETS, "name": "admin"}), manager="test")
        # and what it does hold is bound by nobody through it
        with pytest.raises(DeniedByPolicy, match="binds paas-secrets"):
            await door.create(binding(project, {**SECRETS, "name": "paas-operator"}), manager="test")
        await door.create(binding(project, SECRETS), manager="test")
