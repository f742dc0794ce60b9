"""A connection to one API server: where it is, who asks, and one request at a time.

kubernetes.aio brings configuration, credentials and TLS; requests go through its REST client with our own
paths, so no typed models stand between an object and the code that decides about it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp

from paas.kube.body import encoded
from paas.kube.errors import ClusterUnreachable, error_of

APPLY_PATCH = "application/apply-patch+yaml"
OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Connection:
    """Requests to one API server. Use `connect`, and as an async context manager.

    `namespace` and `user` are those of the kubeconfig's context, `context` its name ('' in a pod); `ca` is
    what the server's certificate is checked by, in PEM ('' for the machine's own CAs).
    """

    def __init__(
        self, client: Any, *, namespace: str, context: str = "", user: str = "", ca: str = ""
    ) -> None:
        self._client = client
        self.namespace = namespace
        self.context = context
        self.user, self.ca = user, ca
        self.before_write: Callable[[], None] | None = None
        """Called before each request that is no GET, and again when it has its connection: getting one can
        take long, and the process may stand still meanwhile. What it raises keeps the request from being
        sent."""

    @classmethod
    async def connect(
        cls, kubeconfig: Path | None = None, *, context: str | None = None, token: str | None = None
    ) -> Self:
        """Connect by `kubeconfig`, else $KUBECONFIG, else ~/.kube/config, else the pod's own account.

        With `token`, the kubeconfig gives address and CA only. Raises ClusterUnreachable when there is
        nothing to connect by; no request is sent yet.
        """
        from kubernetes.aio import client as api
        from kubernetes.aio import config as loader

        configuration = api.Configuration()
        if kubeconfig is None and "KUBECONFIG" not in os.environ and "KUBERNETES_SERVICE_HOST" in os.environ:
            loader.load_incluster_config(client_configuration=configuration)
            made = cls(api.ApiClient(configuration), namespace=OWN_NAMESPACE.read_text().strip())
            configuration.trace_configs = [made._traced()]
            return made
        path = str(kubeconfig) if kubeconfig else None
        try:
            contexts, active = loader.list_kube_config_contexts(path)
            chosen = active if context is None else next(c for c in contexts if c["name"] == context)
            await loader.load_kube_config(path, context=chosen["name"], client_configuration=configuration)
        except StopIteration:
            raise ClusterUnreachable(f"the kubeconfig has no context {context!r}") from None
        except (loader.ConfigException, OSError, TypeError) as problem:
            raise ClusterUnreachable(f"no usable kubeconfig: {problem}") from problem
        if token is not None:
            configuration.api_key = {"BearerToken": f"Bearer {token}"}
            configuration.cert_file = configuration.key_file = None
        configuration.client_side_validation = False
        about = chosen.get("context") or {}
        made = cls(
            api.ApiClient(configuration),
            namespace=about.get("namespace") or "default",
            context=chosen["name"],
            user=about.get("user") or "",
            ca=Path(configuration.ssl_ca_cert).read_text(errors="replace")
            if configuration.ssl_ca_cert
            else "",
        )
        configuration.trace_configs = [made._traced()]
        return made

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.close()

    @property
    def host(self) -> str:
        """URL of the API server."""
        return str(self._client.configuration.host)

    def _traced(self) -> aiohttp.TraceConfig:
        """What asks `before_write` of a request that is about to be sent."""
        config = aiohttp.TraceConfig()

        async def starts(_: Any, about: Any, params: aiohttp.TraceRequestStartParams) -> None:
            about.method = params.method

        async def connected(_: Any, about: Any, __: Any) -> None:
            if about.method != "GET" and self.before_write is not None:
                self.before_write()

        config.on_request_start.append(starts)
        config.on_connection_create_end.append(connected)
        config.on_connection_reuseconn.append(connected)
        return config

    # -- requests ------------------------------------------------------------------------------------

    async def open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int | None] | None,
        body: Any,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
        accept: str = "application/json",
    ) -> aiohttp.ClientResponse:
        """One request whose answer is still to be read and closed. Raises ApiError, ClusterUnreachable."""
        if method != "GET" and self.before_write is not None:
            self.before_write()
        data = None if body is None else encoded(body)
        if content_type == APPLY_PATCH:
            # without the parameter the API client would write the body itself, in ASCII (see kube.body)
            body, content_type = data, f"{APPLY_PATCH}; charset=utf-8"
        given = {key: value for key, value in (query or {}).items() if value is not None}
        url = path + (f"?{urlencode(given)}" if given else "")
        headers = {"Accept": accept, "Content-Type": content_type}
        try:
            method, url, headers, _, _ = await self._client.param_serialize(
                method, url, header_params=headers, auth_settings=["BearerToken"]
            )
            answer = await self._client.call_api(method, url, headers, body, None, _request_timeout=timeout)
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise ClusterUnreachable(
                f"no answer from {self.host}: {str(problem) or type(problem).__name__}"
            ) from problem
        response: aiohttp.ClientResponse = answer.response
        if response.status >= 400:
            body = await self._rest_of(response)
            raise error_of(response.status, body, response.headers.get("Retry-After"))
        return response

    async def _rest_of(self, response: aiohttp.ClientResponse) -> bytes:
        """The body of an answer that has begun. Raises ClusterUnreachable when it breaks off."""
        try:
            return await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise ClusterUnreachable(
                f"{self.host} stopped answering: {str(problem) or type(problem).__name__}"
            ) from problem
        finally:
            response.release()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | None] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float = 30,
        accept: str = "application/json",
    ) -> Any:
        """One request; the JSON (else the text) of the answer. Raises ApiError, ClusterUnreachable."""
        limit = aiohttp.ClientTimeout(total=timeout, connect=10)
        response = await self.open(method, path, query, body, content_type, limit, accept)
        data = await self._rest_of(response)
        kind = response.headers.get("Content-Type", "")
        try:
            if "json" in kind:
                return json.loads(data) if data else None
        except ValueError as problem:
            raise ClusterUnreachable(f"{self.host} answered with no JSON: {problem}") from problem
        if "html" in kind:
            raise ClusterUnreachable(f"{self.host} is no API server: it answered with a web page")
        return data.decode(errors="replace")
