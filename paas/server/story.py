"""What a pusher reads on git's side-band 2 after the commit was received: `apps.follow`, as plain lines.

The receive path tells what was received and detected itself; it gets this function as its `Story`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from paas.api.resources import Manifest
from paas.apps.follow import WAIT, End, tell
from paas.apps.progress import problem, still_running
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable

log = logging.getLogger(__name__)


async def story(cluster: Cluster, build: Manifest, *, wait: float = WAIT) -> AsyncGenerator[str, None]:
    """The lines of a Build's story until its end, or for `wait` seconds. Never raises: the push was
    accepted, and whatever happens to the telling changes nothing about it."""
    try:
        async with aclosing(tell(cluster, build, wait=wait)) as items:
            async for item in items:
                if not isinstance(item, End):
                    yield item
    except (ApiError, ClusterUnreachable) as trouble:
        log.warning("the story of build %s broke off: %s", build["metadata"]["name"], trouble)
        yield problem("The cluster does not say how it goes on.")
        for line in still_running(build):
            yield line
