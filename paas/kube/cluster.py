"""The one door to the API server: objects, streams and who may do what, as plain data in and out."""

from __future__ import annotations

import codecs
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from paas.api.resources import (
    POD,
    SELFSUBJECTACCESSREVIEW,
    SUBJECTACCESSREVIEW,
    TOKENREVIEW,
    Key,
    Manifest,
    Resource,
    key_of,
    resource_of,
)
from paas.kube.connection import APPLY_PATCH, Connection
from paas.kube.errors import ApiError, ClusterUnreachable, Conflict, NotFound, error_of

PAGE = 500
"""Objects a LIST request."""
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True)
class UserInfo:
    """Who a token belongs to, as the API server says (authentication.k8s.io/v1 UserInfo)."""

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


LONGEST_LINE: Final = 2**16
"""Characters of a log's line that are handed out at once; a longer one comes in pieces of that."""


def _pieces(line: str) -> list[str]:
    return [line[at : at + LONGEST_LINE] for at in range(0, len(line), LONGEST_LINE)] or [""]


class Cluster(Connection):
    """What the API server has. Use `connect`, and as an async context manager."""

    async def ready(self) -> bool:
        """Whether the API server answers."""
        try:
            await self.request("GET", "/readyz", timeout=5)
        except (ApiError, ClusterUnreachable):
            return False
        return True

    # -- objects -------------------------------------------------------------------------------------

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
    ) -> Manifest:
        """JSON merge patch (RFC 7386), or of a list of operations a JSON patch (RFC 6902); the object as
        stored."""
        path = resource.path(key.namespace, key.name, subresource)
        query = {"fieldManager": manager}
        type_ = JSON_PATCH if isinstance(patch, list) else MERGE_PATCH
        patched = await self.request("PATCH", path, query=query, body=patch, content_type=type_)
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
        fields: str | None = None,
        resource_version: str | None = None,
        timeout: float = 300,
        accept: str = "application/json",
    ) -> AsyncIterator[tuple[str, Manifest]]:
        """Events (ADDED, MODIFIED, DELETED; the object) until `timeout` seconds or the server's end.

        Without `resource_version` it begins with ADDED of all that exists. Raises Expired when the
        version is too old: list and watch again.
        """
        query = {
            "watch": "true",
            "labelSelector": labels,
            "fieldSelector": f"metadata.name={name}" if name else fields,
            "resourceVersion": resource_version,
            "timeoutSeconds": max(1, int(timeout)),
        }
        limit = aiohttp.ClientTimeout(total=timeout + 10, connect=10)
        response = await self.open(
            "GET", resource.path(namespace), query, None, "application/json", limit, accept
        )
        try:
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise error_of(
                        int(event["object"].get("code") or 500), json.dumps(event["object"]).encode()
                    )
                if event["type"] != "BOOKMARK":
                    yield event["type"], _complete(resource, event["object"])
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            # the last: a line that was cut, or is no JSON
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
        response = await self.open("GET", path, query, None, "application/json", limit)
        decoder, rest = codecs.getincrementaldecoder("utf-8")(errors="replace"), ""
        try:
            async for chunk in response.content.iter_any():
                lines = (rest + decoder.decode(chunk)).split("\n")
                # cut also what has no end yet: it would fill the memory
                *pieces, rest = (piece for line in lines for piece in _pieces(line))
                for piece in pieces:
                    yield piece
            if rest:
                yield rest
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
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

    async def may(self, verb: str, resource: Resource, namespace: str) -> bool:
        """Whether the API server's authorizers let ourselves do this (SelfSubjectAccessReview)."""
        attributes = {
            "verb": verb, "resource": resource.plural, "group": resource.group, "namespace": namespace,
        }  # fmt: skip
        review = SELFSUBJECTACCESSREVIEW
        spec = {"resourceAttributes": attributes}
        body = {"apiVersion": review.api_version, "kind": review.kind, "spec": spec}
        answer = await self.request("POST", review.path(), body=body)
        return bool((answer.get("status") or {}).get("allowed"))

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


def _complete(resource: Resource, obj: Manifest) -> Manifest:
    """Items of a list come without apiVersion and kind; every object of ours has both."""
    if "kind" not in obj or "apiVersion" not in obj:
        return {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
    return obj
