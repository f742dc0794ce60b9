"""What the server needs of a real cluster: what the rooms ask for, as calls of the API server."""

from __future__ import annotations

import functools

from paas.api.resources import BUILD, BUILDCONFIG, Key
from paas.auth import credentials
from paas.auth.review import Auth
from paas.builds.instantiate import builds_of, start_build
from paas.git.hosted import Preparer
from paas.git.http import Limits
from paas.git.quota import Quota
from paas.git.waiting import tell
from paas.kube.cluster import Cluster
from paas.server import container
from paas.server.app import Dependencies
from paas.server.push_progress import push_progress
from paas.settings import Settings
from paas.source import buildpacks
from paas.webhooks.heads import Heads
from paas.webhooks.poll import PATIENCE
from paas.webhooks.record import record
from paas.webhooks.secrets import secret_of_project

MANAGER = "paas-server"


def dependencies_of(cluster: Cluster, settings: Settings) -> Dependencies:
    """Everything that the server is made of. Raises OSError when a key is not mounted."""
    auth = Auth(cluster)
    credential_key = credentials.key_of(settings.credentials_key_file.read_text())
    find_build = functools.partial(cluster.get, BUILD)
    find_secret = functools.partial(secret_of_project, cluster)
    return Dependencies(
        repositories=settings.repositories,
        authenticate=auth.authenticate,
        authorize=auth.authorize,
        find_config=functools.partial(cluster.get, BUILDCONFIG),
        find_build=find_build,
        list_configs=functools.partial(cluster.list, BUILDCONFIG),
        build_numbers=functools.partial(build_numbers, cluster),
        find_builds=functools.partial(builds_of, cluster),
        ask_head=Heads(
            find_secret=find_secret,
            authority=settings.ca_file.read_text() if settings.ca_file.is_file() else "",
            allowed_addresses=tuple(str(each) for each in settings.sources.allowed_addresses),
            patience=PATIENCE,
        ),
        record=functools.partial(record, cluster),
        trigger_ids=functools.partial(trigger_ids, cluster),
        tell_waiting=functools.partial(tell, cluster),
        instantiate=functools.partial(start_build, cluster, manager=MANAGER),
        prepare=Preparer(buildpacks.load(), runtime_registry=settings.builds.runtime_registry),
        follow=functools.partial(push_progress, cluster, wait=settings.builds.stop_wait_seconds),
        ready=cluster.ready,
        credential_key=credential_key,
        address=settings.external_url(settings.server_host),
        limits=Limits(
            push_bytes=settings.sources.push_limit_bytes,
            total_seconds=settings.sources.request_timeout_seconds,
        ),
        quota=Quota(settings.sources.repository_limit_bytes, settings.sources.project_limit_bytes),
        memory=container.memory_limit(),
        follow_seconds=settings.builds.stop_wait_seconds + 30,
    )


async def build_numbers(cluster: Cluster, key: Key) -> set[int]:
    """Numbers of the Builds that a BuildConfig has."""
    return {int(build["spec"]["number"]) for build in await builds_of(cluster, key)}


async def trigger_ids(cluster: Cluster, key: Key) -> set[str]:
    """Ids of the triggers that made the Builds of a BuildConfig: of those there are, and of the last ones."""
    made = {build["spec"]["trigger"]["id"] for build in await builds_of(cluster, key)}
    config = await cluster.get(BUILDCONFIG, key)
    return made | {each["id"] for each in ((config or {}).get("status") or {}).get("triggers") or []}
