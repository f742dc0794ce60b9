"""Reads a registry by the distribution API: does it have this image, and under which digest?

Three answers are kept apart, because different things follow from them: the image is there, the registry
says that it is not, and the registry cannot be asked (or will not answer us).
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

import aiohttp

from paas.registry.reference import is_digest, is_repository, is_tag
from paas.web import basic
from paas.web.ttl_cache import TtlCache

MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
LARGEST_DOCUMENT: Final = 4 * 2**20
"""Bytes of a manifest or configuration; the registry itself takes no larger manifest."""

_PARAMETER = re.compile(r'([a-zA-Z_]+)="([^"]*)"')


class RegistryError(Exception):
    """The registry could not be asked."""


class RegistryUnreachable(RegistryError):
    """No answer, or one that says to come back later (5xx, 429): try again."""


class RegistryDenied(RegistryError):
    """The registry, or its token endpoint, does not let us read this."""


@dataclass(frozen=True)
class Document:
    """A manifest or configuration as the registry stores it."""

    digest: str
    data: dict[str, Any]


class RegistryClient:
    """One registry, spoken to over TLS as one user. An async context manager."""

    def __init__(
        self,
        address: str,
        *,
        username: str,
        password: str,
        ca_file: Path | None = None,
        timeout: float = 10,
    ) -> None:
        """`address` is host[:port]; `ca_file` (PEM) is what its certificate, and that of the token
        endpoint, must lead to, by default the system's authorities. `timeout` is seconds a request."""
        self.address = address
        self._basic = basic.encoded(username, password)
        self._ca_file = ca_file
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None
        self._tokens: TtlCache[str, str] = TtlCache(10_000)

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=self._ca_file and str(self._ca_file))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context), timeout=self._timeout
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def digest(self, repository: str, reference: str) -> str | None:
        """Digest of the manifest under a tag (or digest), by HEAD; None when the registry has none.

        Raises RegistryUnreachable or RegistryDenied when that cannot be known.
        """
        found = await self._request("HEAD", _path(repository, "manifests", reference), repository)
        if found is None:
            return None
        digest = found.headers.get("Docker-Content-Digest", "")
        if not is_digest(digest):
            raise RegistryUnreachable(
                f"{self.address} gave no sha256 digest for {repository}:{reference}: it says {digest!r}"
            )
        return digest

    async def manifest(self, repository: str, reference: str) -> Document | None:
        """The manifest under a tag or digest, or None. Raises as `digest` does."""
        found = await self._request("GET", _path(repository, "manifests", reference), repository)
        return None if found is None else self._document(found, fallback=reference)

    async def config(self, repository: str, digest: str) -> Document | None:
        """The image configuration with this digest (of a manifest's `config`), or None."""
        found = await self._request("GET", _path(repository, "blobs", digest), repository)
        return None if found is None else self._document(found, fallback=digest)

    def _document(self, found: _Found, *, fallback: str) -> Document:
        try:
            data = json.loads(found.body)
        except ValueError as problem:
            raise RegistryUnreachable(f"{self.address} answered with no JSON: {problem}") from problem
        if not isinstance(data, dict):
            raise RegistryUnreachable(f"{self.address} answered with JSON that is no object")
        return Document(
            digest=found.headers.get("Docker-Content-Digest") or fallback,
            data=data,
        )

    async def _request(self, method: str, path: str, repository: str) -> _Found | None:
        """The answer, or None for 404. Once with the token at hand, and again with a fresh one."""
        url = f"https://{self.address}{path}"
        answer = await self._send(method, url, self._tokens.get(repository))
        if answer.status == 401:
            challenge = answer.headers.get("WWW-Authenticate", "")
            answer = await self._send(method, url, await self._fetch_token(challenge, repository))
        if answer.status == 404:
            return None
        if answer.status in (401, 403):
            raise RegistryDenied(f"{self.address} does not let the platform read {repository}")
        if answer.status != 200:
            raise RegistryUnreachable(f"{self.address} answered {answer.status} to {method} {path}")
        return answer

    async def _fetch_token(self, challenge: str, repository: str) -> str:
        """Authorization for a repository, got in the way that the registry's challenge names."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            return self._basic
        parameters = dict(_PARAMETER.findall(rest))
        realm = parameters.get("realm", "")
        if scheme.lower() != "bearer" or urlsplit(realm).scheme != "https":
            raise RegistryDenied(
                f"{self.address} asks for credentials in a way we do not give: {challenge!r}"
            )
        query = {"service": parameters.get("service", ""), "scope": f"repository:{repository}:pull"}
        answer = await self._send("GET", realm, self._basic, query=query)
        if answer.status in (401, 403):
            raise RegistryDenied(f"{realm} does not know the platform's user: are both using the same key?")
        if answer.status != 200:
            raise RegistryUnreachable(f"{realm} answered {answer.status}")
        try:
            body = json.loads(answer.body)
            token, seconds = str(body.get("token") or body["access_token"]), float(body.get("expires_in", 60))
        except (ValueError, KeyError, AttributeError, TypeError) as problem:
            raise RegistryUnreachable(f"{realm} answered with no token") from problem
        authorization = f"Bearer {token}"
        self._tokens.put(repository, authorization, seconds * 0.8)
        return authorization

    async def _send(
        self, method: str, url: str, authorization: str | None, *, query: Mapping[str, str] | None = None
    ) -> _Found:
        if self._session is None:
            raise RuntimeError("RegistryClient is used outside its `async with`")
        headers = {"Accept": ", ".join((*MANIFEST_TYPES, "application/json"))}
        if authorization is not None:
            headers["Authorization"] = authorization
        try:
            async with self._session.request(
                method, url, headers=headers, params=query, allow_redirects=False
            ) as response:
                body = await response.content.read(LARGEST_DOCUMENT + 1)
                while len(body) <= LARGEST_DOCUMENT and not response.content.at_eof():
                    body += await response.content.read(LARGEST_DOCUMENT + 1 - len(body))
                if len(body) > LARGEST_DOCUMENT:
                    raise RegistryUnreachable(f"{url} answered with more than {LARGEST_DOCUMENT} bytes")
                return _Found(response.status, response.headers, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise RegistryUnreachable(f"{url} cannot be reached: {str(problem) or 'time-out'}") from problem


@dataclass(frozen=True)
class _Found:
    """One answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def _path(repository: str, kind: str, reference: str) -> str:
    if not is_repository(repository):
        raise ValueError(f"{repository!r} is not a repository")
    if not (is_tag(reference) or is_digest(reference)):
        raise ValueError(f"{reference!r} is neither a tag nor a digest")
    return f"/v2/{repository}/{kind}/{quote(reference, safe=':')}"
