"""Who a token belongs to and what they may do, as the API server says (TokenReview, SubjectAccessReview).

One push asks several times within a second, so answers are remembered for a few seconds: by the hash of
the token, which is itself never kept or logged.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Final

from paas.api.names import GROUP, TOKEN_AUDIENCE
from paas.api.resources import Key
from paas.kube.cluster import Cluster, UserInfo
from paas.kube.errors import ApiError
from paas.web.lookups import Lanes
from paas.web.ttl_cache import TtlCache

KNOWN_SECONDS: Final = 15.0
"""How long a token stays known: a revoked one works this much longer."""
UNKNOWN_SECONDS: Final = 3.0
ALLOWED_SECONDS: Final = 10.0
DENIED_SECONDS: Final = 2.0
"""Short, because someone has just been asked to grant the right and the user tries again."""
LONGEST_TOKEN: Final = 16_384


class Auth:
    """`authenticate` and `authorize` as `git.access` wants them. Both raise what the cluster raises when
    it does not answer: not knowing is no refusal."""

    def __init__(self, cluster: Cluster, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._users: TtlCache[str, tuple[UserInfo | None]] = TtlCache(4096, clock=clock)
        self._lanes: Lanes[str] = Lanes(clock=clock)
        self._rights: TtlCache[tuple[str, ...], tuple[bool]] = TtlCache(16384, clock=clock)

    async def authenticate(self, token: str) -> UserInfo | None:
        """Whose token it is: one made for us (audience paas.dev), or one of a kubeconfig as it is."""
        if len(token) > LONGEST_TOKEN or not token.isascii() or not token.isprintable():
            return None
        digest = hashlib.sha256(token.encode()).hexdigest()
        if (known := self._users.get(digest)) is not None:
            return known[0]
        async with self._lanes.of(digest):
            user = await self._review(token, TOKEN_AUDIENCE) or await self._review(token, None)
        if user is not None:
            self._lanes.prove(digest)
        self._users.put(digest, (user,), KNOWN_SECONDS if user else UNKNOWN_SECONDS)
        return user

    async def _review(self, token: str, audience: str | None) -> UserInfo | None:
        try:
            return await self._cluster.token_review(token, audience=audience)
        except ApiError as problem:
            if problem.status in (400, 422):
                return None  # nothing that an API server would take for a token
            raise

    async def authorize(self, user: UserInfo, verb: str, subresource: str, key: Key) -> bool:
        """Whether the user may do `verb` on this BuildConfig's virtual `subresource`."""
        about = (user.username, user.uid, *user.groups, verb, subresource, key.namespace, key.name)
        if (known := self._rights.get(about)) is not None:
            return known[0]
        allowed = await self._cluster.allowed(
            user,
            verb=verb,
            resource="buildconfigs",
            group=GROUP,
            namespace=key.namespace,
            name=key.name,
            subresource=subresource,
        )
        self._rights.put(about, (allowed,), ALLOWED_SECONDS if allowed else DENIED_SECONDS)
        return allowed
