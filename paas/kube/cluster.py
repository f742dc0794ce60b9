"""The one door to the API server: plain data in and out, one exception type per kind of refusal.

kubernetes.aio brings configuration, credentials and TLS; requests go through its REST client with our
own paths, so no typed models stand between an object and the code that decides about it.
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlencode

import aiohttp

from paas.api.resources import (
    POD,
    SERVICEACCOUNT,
    SUBJECTACCESSREVIEW,
    TOKENREVIEW,
    Key,
    Manifest,
    Resource,
    key_of,
    resource_of,
)

OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
PAGE = 500
"""Objects a LIST request."""
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class ClusterUnreachable(Exception):
    """No answer from the API server, or no configuration that says where it is."""


class ApiError(Exception):
    """The API server refused: HTTP `status`, `reason` (a word) and `message` (a sentence)."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.retry_after = status, reason, message, retry_after


class NotFound(ApiError): ...


class Conflict(ApiError): ...


class AlreadyExists(Conflict): ...


class Expired(ApiError): ...


class Unauthorized(ApiError): ...


class Forbidden(ApiError): ...


class Invalid(ApiError): ...


_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Expired, 422: Invalid,
}  # fmt: skip


@dataclass(frozen=True)
class UserInfo:
    """Who a token belongs to, as the API server says (authentication.k8s.io/v1 UserInfo)."""

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


def error_of(status: int, body: bytes, retry_after: str | None = None) -> ApiError:
    """The exception for a refusal; `body` is a metav1.Status or any text."""
    try:
        answer = json.loads(body)
        reason, message = str(answer.get("reason") or ""), str(answer.get("message") or "")
    except (ValueError, AttributeError):
        reason, message = "", body.decode(errors="replace")[:500].strip()
    cls = AlreadyExists if reason == "AlreadyExists" else _BY_STATUS.get(status, ApiError)
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    return cls(status, reason or f"HTTP{status}", message or f"HTTP {status}", seconds)


class Cluster:
    """A connection to one API server. Use `connect`, and as an async context manager.

    `namespace` is that of the kubeconfig's context, `context` its name ('' in a pod).
    """

    def __init__(self, client: Any, *, namespace: str, context: str = "") -> None:
        self._client = client
        self.namespace = namespace
        self.context = context

    @staticmethod
    async def connect(
        kubeconfig: Path | None = None, *, context: str | None = None, token: str | None = None
    ) -> Cluster:
        """Connect by `kubeconfig`, else $KUBECONFIG, else ~/.kube/config, else the pod's own account.

        With `token`, the kubeconfig gives address and CA only. Raises ClusterUnreachable when there is
        nothing to connect by; no request is sent yet.
        """
        from kubernetes.aio import client as api
        from kubernetes.aio import config as loader

        configuration = api.Configuration()
        if kubeconfig is None and "KUBECONFIG" not in os.environ and "KUBERNETES_SERVICE_HOST" in os.environ:
            loader.load_incluster_config(client_configuration=configuration)
            return Cluster(api.ApiClient(configuration), namespace=OWN_NAMESPACE.read_text().strip())
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
        namespace = (chosen.get("context") or {}).get("namespace") or "default"
        return Cluster(api.ApiClient(configuration), namespace=namespace, context=chosen["name"])

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

    # -- requests ------------------------------------------------------------------------------------

    async def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int | None] | None,
        body: Any,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        url = path + (f"?{urlencode(given)}" if given else "")
        headers = {"Accept": "application/json", "Content-Type": content_type}
        try:
            method, url, headers, _, _ = await self._client.param_serialize(
                method, url, header_params=headers, auth_settings=["BearerToken"]
            )
            answer = await self._client.call_api(method, url, headers, body, None, _request_timeout=timeout)
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise ClusterUnreachable(
                f"no answer from {self.host}: {problem or type(problem).__name__}"
            ) from problem
        response: aiohttp.ClientResponse = answer.response
        if response.status >= 400:
            try:
                raise error_of(response.status, await response.read(), response.headers.get("Retry-After"))
            finally:
                response.release()
        return response

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | None] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float = 30,
    ) -> Any:
        """One request; the JSON (else the text) of the answer. Raises ApiError, ClusterUnreachable."""
        limit = aiohttp.ClientTimeout(total=timeout, connect=10)
        response = await self._open(method, path, query, body, content_type, limit)
        try:
            data = await response.read()
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise ClusterUnreachable(f"{self.host} stopped answering: {problem}") from problem
        finally:
            response.release()
        if "json" not in response.headers.get("Content-Type", ""):
            return data.decode(errors="replace")
        return json.loads(data) if data else None

    async def get(self, resource: Resource, key: Key) -> Manifest | None:
        """The object, or None when it does not exist."""
        try:
            return _complete(resource, await self.request("GET", resource.path(key.namespace, key.name)))
        except NotFound:
            return None

    async def list_page(
        self, resource: Resource, namespace: str | None, query: Mapping[str, str | int | None]
    ) -> Manifest:
        """One answer to a LIST request as it came (metadata.continue and resourceVersion in it)."""
        answer: Manifest = await self.request("GET", resource.path(namespace), query=query)
        return answer

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[Manifest]:
        """All objects, read live and in pages; `labels` and `fields` are selectors."""
        found: list[Manifest] = []
        following: str | None = None
        while True:
            query = {"labelSelector": labels, "fieldSelector": fields, "limit": PAGE, "continue": following}
            page = await self.list_page(resource, namespace, query)
            found += [_complete(resource, item) for item in page["items"]]
            following = page["metadata"].get("continue") or None
            if following is None:
                return found

    async def create(self, manifest: Manifest, *, manager: str, dry_run: bool = False) -> Manifest:
        """POST; the object as stored. Raises AlreadyExists."""
        resource, key = resource_of(manifest), key_of(manifest)
        query = {"fieldManager": manager, "dryRun": "All" if dry_run else None}
        created: Manifest = await self.request(
            "POST", resource.path(key.namespace), query=query, body=manifest
        )
        return _complete(resource, created)

    async def apply(
        self,
        manifest: Manifest,
        *,
        manager: str,
        force: bool = True,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> Manifest:
        """Server-side apply; the object as stored. Without `force`, fields of others raise Conflict."""
        resource, key = resource_of(manifest), key_of(manifest)
        query = {
            "fieldManager": manager,
            "force": "true" if force else "false",
            "dryRun": "All" if dry_run else None,
        }
        path = resource.path(key.namespace, key.name, subresource)
        applied = await self.request("PATCH", path, query=query, body=manifest, content_type=APPLY_PATCH)
        return _complete(resource, applied)

    async def patch(
        self,
        resource: Resource,
        key: Key,
        patch: Any,
        *,
        manager: str,
        subresource: str | None = None,
        kind: Literal["merge", "json"] = "merge",
    ) -> Manifest:
        """JSON merge patch (RFC 7386) or JSON patch (RFC 6902); the object as stored."""
        content_type = MERGE_PATCH if kind == "merge" else "application/json-patch+json"
        path = resource.path(key.namespace, key.name, subresource)
        query = {"fieldManager": manager}
        patched = await self.request("PATCH", path, query=query, body=patch, content_type=content_type)
        return _complete(resource, patched)

    async def delete(
        self, resource: Resource, key: Key, *, uid: str | None = None, propagation: str = "Background"
    ) -> bool:
        """Delete; False when it was gone already, or `uid` is given and another object has the name."""
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            await self.request("DELETE", resource.path(key.namespace, key.name), body=options)
        except NotFound:
            return False
        except Conflict:
            if uid is None:
                raise
            return False
        return True

    # -- streams -------------------------------------------------------------------------------------

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        name: str | None = None,
        labels: str | None = None,
        resource_version: str | None = None,
        timeout: float = 300,
    ) -> AsyncIterator[tuple[str, Manifest]]:
        """Events (ADDED, MODIFIED, DELETED; the object) until `timeout` seconds or the server's end.

        Without `resource_version` it begins with ADDED of all that exists. Raises Expired when the
        version is too old: list and watch again.
        """
        query = {
            "watch": "true",
            "labelSelector": labels,
            "fieldSelector": f"metadata.name={name}" if name else None,
            "resourceVersion": resource_version,
            "timeoutSeconds": max(1, int(timeout)),
        }
        limit = aiohttp.ClientTimeout(total=timeout + 10, connect=10)
        response = await self._open("GET", resource.path(namespace), query, None, "application/json", limit)
        try:
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise error_of(
                        int(event["object"].get("code") or 500), json.dumps(event["object"]).encode()
                    )
                if event["type"] != "BOOKMARK":
                    yield event["type"], _complete(resource, event["object"])
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise ClusterUnreachable(f"the watch on {resource} broke: {problem}") from problem
        finally:
            response.close()

    async def logs(
        self,
        key: Key,
        *,
        container: str | None = None,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        previous: bool = False,
    ) -> AsyncIterator[str]:
        """Lines of a pod's log without their line ends; with `follow`, until the container ends."""
        query = {
            "container": container,
            "follow": "true" if follow else None,
            "tailLines": tail,
            "timestamps": "true" if timestamps else None,
            "previous": "true" if previous else None,
        }
        limit = aiohttp.ClientTimeout(total=None, connect=10)
        path = POD.path(key.namespace, key.name, "log")
        response = await self._open("GET", path, query, None, "application/json", limit)
        decoder, rest = codecs.getincrementaldecoder("utf-8")(errors="replace"), ""
        try:
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + decoder.decode(chunk)).split("\n")
                for line in lines:
                    yield line
            if rest:
                yield rest
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise ClusterUnreachable(f"the log of pod {key} broke off: {problem}") from problem
        finally:
            response.close()

    # -- who may do what -----------------------------------------------------------------------------

    async def token_review(self, token: str, *, audience: str | None = None) -> UserInfo | None:
        """Whose token it is, or None when the API server does not accept it (for that audience)."""
        spec: Manifest = {"token": token}
        if audience is not None:
            spec["audiences"] = [audience]
        body = {"apiVersion": TOKENREVIEW.api_version, "kind": TOKENREVIEW.kind, "spec": spec}
        status = (await self.request("POST", TOKENREVIEW.path(), body=body)).get("status") or {}
        if not status.get("authenticated"):
            return None
        user = status.get("user") or {}
        return UserInfo(
            username=user.get("username") or "",
            uid=user.get("uid") or "",
            groups=tuple(user.get("groups") or ()),
            extra={key: tuple(values) for key, values in (user.get("extra") or {}).items()},
        )

    async def allowed(
        self,
        user: UserInfo,
        *,
        verb: str,
        resource: str,
        group: str,
        namespace: str,
        name: str = "",
        subresource: str = "",
    ) -> bool:
        """Whether the API server's authorizers let `user` do this (SubjectAccessReview)."""
        attributes = {
            "verb": verb, "resource": resource, "group": group,
            "namespace": namespace, "name": name, "subresource": subresource,
        }  # fmt: skip
        spec = {
            "user": user.username,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra.items()},
            "resourceAttributes": attributes,
        }
        body = {"apiVersion": SUBJECTACCESSREVIEW.api_version, "kind": SUBJECTACCESSREVIEW.kind, "spec": spec}
        answer = await self.request("POST", SUBJECTACCESSREVIEW.path(), body=body)
        return bool((answer.get("status") or {}).get("allowed"))

    async def request_token(
        self, namespace: str, service_account: str, *, audience: str, seconds: int
    ) -> str:
        """A bound token of a ServiceAccount (TokenRequest), valid for `seconds` (at least 600)."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": seconds},
        }
        answer = await self.request(
            "POST", SERVICEACCOUNT.path(namespace, service_account, "token"), body=body
        )
        return str(answer["status"]["token"])


def _complete(resource: Resource, obj: Manifest) -> Manifest:
    """Items of a list come without apiVersion and kind; every object of ours has both."""
    if "kind" not in obj or "apiVersion" not in obj:
        return {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
    return obj
