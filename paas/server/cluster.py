"""What the server needs of a real cluster: what the rooms ask for, as calls of the API server."""

from __future__ import annotations

import functools

from paas.api import names
from paas.api.build_request import BuildRefused, BuildRequest, Instantiated
from paas.api.resources import BUILD, BUILDCONFIG, NAMESPACE, SECRET, Key, Manifest
from paas.auth import credentials
from paas.auth.review import Auth
from paas.builds.instantiate import instantiate
from paas.git.hosted import Preparer
from paas.git.http import Limits
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.registry.http import TokenDependencies, TokenHttp
from paas.registry.signer import Signer
from paas.server.app import Dependencies
from paas.server.push_progress import push_progress
from paas.settings import Settings
from paas.source import buildpacks
from paas.webhooks.heads import Heads
from paas.webhooks.record import record

MANAGER = "paas-server"


def dependencies_of(cluster: Cluster, settings: Settings) -> Dependencies:
    """Everything that the server is made of. Raises OSError when a key is not mounted."""
    auth = Auth(cluster)
    credential_key = credentials.key_of(settings.credentials_key_file.read_text())
    find_build = functools.partial(cluster.get, BUILD)
    find_secret = functools.partial(cluster.get, SECRET)
    tokens = TokenDependencies(
        signer=Signer(settings.registry_token_key_file.read_bytes()),
        service=settings.registry_service,
        credential_key=credential_key,
        find_build=find_build,
        find_namespace=lambda name: cluster.get(NAMESPACE, Key("", name)),
    )
    return Dependencies(
        repositories=settings.repositories,
        authenticate=auth.authenticate,
        authorize=auth.authorize,
        find_config=functools.partial(cluster.get, BUILDCONFIG),
        find_build=find_build,
        find_secret=find_secret,
        list_configs=functools.partial(list_configs, cluster),
        build_numbers=functools.partial(build_numbers, cluster),
        find_builds=functools.partial(builds_of, cluster),
        ask_head=Heads(
            find_secret=find_secret,
            authority=settings.ca_file.read_text() if settings.ca_file.is_file() else "",
            allowed_addresses=tuple(str(each) for each in settings.sources.allowed_addresses),
        ),
        record=functools.partial(record, cluster, MANAGER),
        list_external=functools.partial(cluster.list, BUILDCONFIG),
        instantiate=functools.partial(start_build, cluster),
        prepare=Preparer(buildpacks.load(), runtime_registry=settings.builds.runtime_registry),
        follow=functools.partial(push_progress, cluster, wait=settings.builds.stop_wait_seconds),
        ready=functools.partial(is_ready, cluster),
        credential_key=credential_key,
        address=settings.external_url(settings.server_host),
        tokens=TokenHttp(tokens),
        limits=Limits(
            push_bytes=settings.sources.push_limit_bytes,
            total_seconds=settings.sources.request_timeout_seconds,
        ),
        follow_seconds=settings.builds.stop_wait_seconds + 30,
    )


async def start_build(cluster: Cluster, key: Key, request: BuildRequest) -> Instantiated:
    """`builds.instantiate` for pushes and webhooks. What the API server does not accept as a Build today it
    will not accept later either, so that is a refusal and not a reason to try again."""
    try:
        return await instantiate(cluster, key, request, manager=MANAGER)
    except ApiError as problem:
        if problem.status in (400, 413, 422):
            raise BuildRefused(f"the API server does not accept the build: {problem.message}") from problem
        raise


async def list_configs(cluster: Cluster) -> dict[str, Key]:
    """All BuildConfigs by UID."""
    return {
        config["metadata"]["uid"]: Key(config["metadata"]["namespace"], config["metadata"]["name"])
        for config in await cluster.list(BUILDCONFIG)
    }


async def builds_of(cluster: Cluster, key: Key) -> list[Manifest]:
    """The Builds of the BuildConfigs that have or had this name."""
    return await cluster.list(BUILD, key.namespace, labels=f"{names.LABEL_BUILDCONFIG}={key.name}")


async def build_numbers(cluster: Cluster, key: Key) -> set[int]:
    """Numbers of the Builds that a BuildConfig has."""
    return {int(build["spec"]["number"]) for build in await builds_of(cluster, key)}


async def is_ready(cluster: Cluster) -> bool:
    """Whether the API server answers."""
    try:
        await cluster.request("GET", "/readyz", timeout=5)
    except (ApiError, ClusterUnreachable):
        return False
    return True
