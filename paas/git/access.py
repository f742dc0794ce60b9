"""Who may push to a hosted repository, fetch from it, start builds of it, or take the source of a build out
of it.

It knows no protocol: the endpoint of one says who asks (by a token, a build's credential), and turns a
refusal into its own form. A user who may not push to or fetch from an application hears the same whether it
exists or not, and the directory of a repository comes from the API server, never from what the client sent.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from paas.api.build import TERMINAL
from paas.api.resources import Key, Manifest
from paas.auth import credentials
from paas.git.push import FindConfig
from paas.git.repositories import Repositories, Repository
from paas.kube.cluster import UserInfo
from paas.terminal.not_allowed import grant
from paas.web.lookups import Lookups

NAME: Final = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
"""Pattern of the name of a project, a BuildConfig or a Build."""

Authenticate = Callable[[str], Awaitable[UserInfo | None]]
"""Whose bearer token it is; None when it is nobody's (any more)."""
Authorize = Callable[[UserInfo, str, str, Key], Awaitable[bool]]
"""(user, verb, subresource, BuildConfig): may they?"""


class Service(StrEnum):
    """What somebody wants to do with a repository, as git calls it."""

    PUSH = "receive-pack"
    FETCH = "upload-pack"


@dataclass(frozen=True)
class _Right:
    """What RBAC must allow for a service, and how to speak of it."""

    verb: str
    subresource: str
    act: str
    role: str
    """The smallest role that has the right."""


_RIGHTS: Final = {
    Service.PUSH: _Right("create", "instantiate", "push to", "edit"),
    Service.FETCH: _Right("get", "source", "fetch from", "view"),
}
_BUILD: Final = _Right("create", "instantiate", "start builds of", "edit")


class AccessRefused(Exception):
    """No access: `what` says why, `cure` what to do."""

    def __init__(self, what: str, cure: str = "") -> None:
        super().__init__(f"{what}. {cure}" if cure else what)
        self.what, self.cure = what, cure


class Unknown(AccessRefused):
    """It is not known who asks."""


class NotAllowed(AccessRefused):
    """The user has no right to this."""


class NoRepository(AccessRefused):
    """There is no such application, or its source is elsewhere."""


class Access:
    """Opens repositories to those who may use them. Every method also raises what the cluster raises when it
    does not answer: not knowing is no refusal."""

    def __init__(
        self,
        repositories: Repositories,
        *,
        authenticate: Authenticate,
        authorize: Authorize,
        find_config: FindConfig,
        find_build: FindConfig,
        credential_key: bytes,
    ) -> None:
        self._repositories = repositories
        self._authenticate, self._authorize = authenticate, authorize
        self._find_config, self._key = find_config, credential_key
        self._builds: Lookups[Key, Manifest | None] = Lookups(find_build, most=3, seconds=0.5)
        self._configs: Lookups[Key, Manifest | None] = Lookups(find_config, most=3, seconds=0.5)

    async def user(self, token: str) -> UserInfo:
        """Whose token this is. Raises Unknown."""
        user = await self._authenticate(token) if token else None
        if user is None:
            if token:
                raise Unknown(
                    "The cluster does not accept your token: it has expired, or belongs to another cluster",
                    "Log in to the cluster again and try again. To see who you are: kubectl auth whoami",
                )
            raise Unknown(
                "No token came with this request: this clone is not connected to its application",
                "Connect it:\n  paas git-remote APP -n PROJECT",
            )
        return user

    async def open(self, user: UserInfo, service: Service, key: Key) -> Repository:
        """The repository of a BuildConfig, once it is known that this user may do this with it; made when
        there is none yet. Raises NotAllowed, NoRepository."""
        config = await self._config(user, _RIGHTS[service], key)
        uri = external_uri(config)
        if uri:
            raise NoRepository(
                f"{key} is built from {uri}, so it has no repository here",
                "Push there, or build what is there now with: "
                f"paas start-build {key.name} -n {key.namespace}",
            )
        return await self._repositories.open(config["metadata"]["uid"], key)

    async def open_to_build(self, user: UserInfo, key: Key) -> tuple[Manifest, Repository | None]:
        """The BuildConfig that this user may start builds of, and its repository when it is hosted here.
        Raises NotAllowed, NoRepository."""
        config = await self._config(user, _BUILD, key)
        if external_uri(config):
            return config, None
        return config, await self._repositories.open(config["metadata"]["uid"], key)

    async def _config(self, user: UserInfo, right: _Right, key: Key) -> Manifest:
        """The BuildConfig, once it is known that the user has the right."""
        if not await self._authorize(user, right.verb, right.subresource, key):
            raise NotAllowed(
                f"{user.username} may not {right.act} {key}",
                f"Someone with the role admin in project {key.namespace} can allow it:\n"
                f"  {grant(right.role, user.username, namespace=key.namespace)}",
            )
        config = await self._find_config(key)
        if config is None or config["metadata"].get("deletionTimestamp"):
            raise NoRepository(
                f"There is no application {key.name} in project {key.namespace}",
                f"Create it with:\n  paas new-app . --name {key.name} -n {key.namespace}\n"
                f"or see what there is with: paas get bc -n {key.namespace}",
            )
        return config

    async def open_for_build(self, user: str, password: str, key: Key, commit: str) -> Repository:
        """The repository that a running Build of this commit may take its source from, by the Build's own
        credential. Raises Unknown, the same whatever is wrong."""
        repository = await self._of_build(user, password, key, commit)
        if repository is None:
            raise Unknown("This credential is not of a running build of this commit")
        return repository

    async def _of_build(self, user: str, password: str, key: Key, commit: str) -> Repository | None:
        namespace, _, name = user.removeprefix(credentials.BUILD_USER_PREFIX).partition("/")
        if not user.startswith(credentials.BUILD_USER_PREFIX) or namespace != key.namespace:
            return None
        of = Key(namespace, name)
        build = await self._builds.of(of) if re.fullmatch(NAME, name) else None
        uid = build["metadata"]["uid"] if build else "unknown"
        valid = credentials.verify_build_credential(self._key, uid, credentials.SOURCE, password)
        if not valid or build is None or build["metadata"].get("deletionTimestamp"):
            return None
        self._builds.prove(of)
        spec, phase = build["spec"], (build.get("status") or {}).get("phase")
        built = ((spec.get("revision") or {}).get("git") or {}).get("commit")
        if phase in TERMINAL or spec["buildConfig"] != key.name or built != commit:
            return None
        # Whoever may write Builds in one project may write the UID of another's BuildConfig into one; and the
        # repository of a BuildConfig that is gone is kept for a week, under the name of the one after it.
        config = await self._configs.of(key)
        if config is None or config["metadata"]["uid"] != spec["buildConfigUid"]:
            return None
        repository = self._repositories.get(spec["buildConfigUid"])
        if repository is None or repository.key != key:
            return None
        await repository.repair()
        return repository


def external_uri(config: Manifest) -> str:
    """Where the source of a BuildConfig is; '' when it is hosted here."""
    return str(((config["spec"].get("source") or {}).get("git") or {}).get("uri") or "")
