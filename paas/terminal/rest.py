"""A client for `kube.cluster.Cluster` that starts in half the time, for commands.

The API client costs 0.7 s of processor time to import, more than most commands need to do their work.
What the door asks of it is little: a URL with credentials, and a request. The kubeconfigs that this cannot
serve (a proxy, a way to log in that `terminal.kubeconfig` does not know, none at all) get the full one.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paas.kube.body import encoded
from paas.kube.errors import seconds_of
from paas.terminal.kubeconfig import KubeconfigError, Login, NoSuchContext, load, paths
from paas.terminal.problem import ExitCode, Problem

if TYPE_CHECKING:
    import aiohttp

    from paas.kube.cluster import Cluster

ATTEMPTS = 6
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds of silence, seconds between questions, and how many of them without an answer."""
LINE_LIMIT = 16 * 2**20
"""Longest event of a watch, in bytes: a whole object on one line."""


@dataclass(frozen=True)
class Configuration:
    """What the door reads of a client's configuration."""

    host: str


@dataclass(frozen=True)
class Answer:
    response: aiohttp.ClientResponse


class LeanClient:
    """The part of the API client that `Cluster` uses."""

    def __init__(self, login: Login) -> None:
        self.configuration = Configuration(login.server)
        self._login = login
        self._session: aiohttp.ClientSession | None = None

    async def param_serialize(
        self, method: str, url: str, *, header_params: Mapping[str, str], auth_settings: object
    ) -> tuple[str, str, dict[str, str], None, None]:
        """Method, whole URL and headers with the credential."""
        headers = dict(header_params)
        if self._login.token is not None:
            headers["Authorization"] = f"Bearer {self._login.token}"
        return method, self._login.server + url, headers, None, None

    async def call_api(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Any,
        post_params: None,
        *,
        _request_timeout: aiohttp.ClientTimeout,
    ) -> Answer:
        """Send it; the answer's body has not been read yet. An API server that has too much to do, and
        has therefore not begun, is asked again as it says."""
        import aiohttp
        from yarl import URL

        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._login.tls(), socket_factory=_socket)
            self._session = aiohttp.ClientSession(connector=connector, read_bufsize=LINE_LIMIT)
        for attempt in range(1, ATTEMPTS + 1):
            response = await self._session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body if body is None or isinstance(body, bytes) else encoded(body),
                timeout=_request_timeout,
                server_hostname=self._login.tls_server_name,
            )
            after = seconds_of(response.headers.get("Retry-After"))
            if response.status != 429 or after is None or attempt == ATTEMPTS:
                break
            response.release()
            await asyncio.sleep(min(after, 5))
        return Answer(response)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket that finds out within a minute that the other side is gone without a word: the log of a quiet
    application would be waited for for ever."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if (option := getattr(socket, name, None)) is not None:  # not every system has each
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


class NoKubeconfig(Problem):
    """Nothing says which cluster to work on."""

    def __init__(self, looked: str, *, given: bool = False) -> None:
        super().__init__(
            "there is no kubeconfig, so no cluster to work on",
            why=f"no file {looked}",
            hint="give --kubeconfig a file that exists, or leave it out"
            if given
            else "export KUBECONFIG=FILE, or start a cluster on this machine: paas up",
        )
        self.given = given
        """Whether the command line named the file: then no other one is proposed."""


async def connect(kubeconfig: Path | None, *, context: str | None = None) -> Cluster:
    """A connection as `Cluster.connect` makes it. Raises ClusterUnreachable, NoKubeconfig."""
    from paas.kube.cluster import Cluster
    from paas.kube.errors import ClusterUnreachable

    files = paths(kubeconfig, os.environ)
    if any(path.is_file() for path in files):
        try:
            login = load(kubeconfig, context=context)
        except KubeconfigError as problem:
            if isinstance(problem, NoSuchContext) and (context or problem.known):
                raise _without_context(problem, given=context) from problem
            raise ClusterUnreachable(f"no usable kubeconfig: {problem}") from problem
        if not login.proxied and (login.token is not None or login.certificate is not None):
            return Cluster(
                LeanClient(login),
                namespace=login.namespace,
                context=login.context,
                user=login.user,
                ca=login.ca or "",
            )
    elif not in_pod(kubeconfig):
        raise NoKubeconfig(", ".join(str(path) for path in files), given=kubeconfig is not None)
    return await Cluster.connect(kubeconfig, context=context)


def in_pod(kubeconfig: Path | None) -> bool:
    """Whether it is the ServiceAccount of the pod we are in that asks, since nobody names a kubeconfig."""
    named = kubeconfig is not None or "KUBECONFIG" in os.environ
    found = any(path.is_file() for path in paths(kubeconfig, os.environ))
    return not named and not found and "KUBERNETES_SERVICE_HOST" in os.environ


def _without_context(problem: NoSuchContext, *, given: str | None) -> Problem:
    """What to type instead of a context that is not there."""
    close = get_close_matches(given or "", problem.known, n=1)
    if close:
        hint = f"did you mean --context {close[0]}?"
    elif problem.known:
        listed = ", ".join(problem.known[:10])
        choose = "give --context" if given else "kubectl config use-context NAME, with"
        hint = f"{choose} one of: {listed}"
    else:
        hint = "choose another file with --kubeconfig, or: export KUBECONFIG=FILE"
    return Problem(str(problem), hint=hint, code=ExitCode.NOT_FOUND)
