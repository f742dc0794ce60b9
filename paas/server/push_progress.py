"""What a pusher reads on git's side-band 2 after the commit was received: a Build followed, as lines.

The receive path says itself what was received and detected; it is given this function.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from paas.api.resources import Manifest
from paas.apps.follow import WAIT, follow
from paas.apps.progress import ContactLost
from paas.apps.read_progress import still_running
from paas.apps.render_progress import lines
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable

log = logging.getLogger(__name__)


async def push_progress(
    cluster: Cluster, build: Manifest, *, wait: float = WAIT
) -> AsyncGenerator[str, None]:
    """The lines about a Build until it is live or failed, or for `wait` seconds. Never raises: the push was
    accepted, and whatever happens while it is followed changes nothing about it."""
    try:
        async with aclosing(follow(cluster, build, wait=wait)) as events:
            async for event in events:
                for line in lines(event):
                    yield line
    except (ApiError, ClusterUnreachable) as problem:
        log.warning("following build %s broke off: %s", build["metadata"]["name"], problem)
        for event in (ContactLost(), still_running(build)):
            for line in lines(event):
                yield line
