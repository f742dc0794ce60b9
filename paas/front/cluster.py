"""What the front needs of a real cluster: what the rooms ask for, as calls of the API server."""

from __future__ import annotations

import functools
from datetime import UTC, datetime

from paas.api.resources import BUILD, BUILDCONFIG, LEASE, NAMESPACE, Key
from paas.auth import credentials
from paas.builds.instantiate import builds_of, start_build
from paas.front.app import Dependencies
from paas.kube.cluster import Cluster
from paas.registry.collection import LEASE_KEY, under_way
from paas.registry.http import TokenDependencies
from paas.registry.signer import Signer
from paas.settings import Settings
from paas.webhooks.heads import Heads
from paas.webhooks.record import record
from paas.webhooks.secrets import secret_of_project

MANAGER = "paas-front"


def dependencies_of(cluster: Cluster, settings: Settings) -> Dependencies:
    """Everything that the front is made of. Raises OSError when a key is not mounted."""
    tokens = TokenDependencies(
        signer=Signer(settings.registry_token_key_file.read_bytes()),
        service=settings.registry_service,
        credential_key=credentials.key_of(settings.credentials_key_file.read_text()),
        find_build=functools.partial(cluster.get, BUILD),
        find_namespace=lambda name: cluster.get(NAMESPACE, Key("", name)),
        collecting=functools.partial(collecting, cluster),
        by_name_until=settings.repositories_by_name_until,
    )
    find_secret = functools.partial(secret_of_project, cluster)
    return Dependencies(
        find_config=functools.partial(cluster.get, BUILDCONFIG),
        find_secret=find_secret,
        find_builds=functools.partial(builds_of, cluster),
        ask_head=Heads(
            find_secret=find_secret,
            authority=settings.ca_file.read_text() if settings.ca_file.is_file() else "",
            allowed_addresses=tuple(str(each) for each in settings.sources.allowed_addresses),
        ),
        record=functools.partial(record, cluster),
        instantiate=functools.partial(start_build, cluster, manager=MANAGER),
        tokens=tokens,
        ready=cluster.ready,
        address=settings.external_url(settings.server_host),
    )


async def collecting(cluster: Cluster) -> bool:
    """Whether unused images of the registry are being collected now."""
    return under_way(await cluster.get(LEASE, LEASE_KEY), now=datetime.now(UTC))
