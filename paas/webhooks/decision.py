"""What a webhook delivery asks for: a Build at the pushed commit, or nothing, and why. Pure. Whether the push
is the newest one is `order`'s business.

Where the source is comes from the BuildConfig alone; of the payload only branch, commit and texts are
taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from paas.api.build import TriggerType
from paas.api.build_request import BuildRequest
from paas.webhooks.host import Asked, Ignored, Pushed


def decide(config: Mapping[str, Any], push: Pushed) -> BuildRequest | Ignored:
    """The Build that this push makes of the BuildConfig, or why it makes none."""
    name, source = config["metadata"]["name"], _git(config)
    if (elsewhere := _elsewhere(name, source, push.repository)) is not None:
        return elsewhere
    watched = str(source.get("ref") or push.default_branch).removeprefix("refs/heads/")
    if not watched:
        return Ignored(
            "the delivery does not name the default branch; set spec.source.git.ref of the BuildConfig"
        )
    if push.branch != watched:
        return Ignored(f"branch {push.branch} is not watched; {name} is built from {watched}")
    return BuildRequest(
        trigger_id="",  # `order` knows it
        trigger_type=TriggerType.WEBHOOK,
        trigger_message=f"push to {push.branch}",
        user=push.user[:1024] or None,
        commit=push.commit,
        ref=push.branch,
        author=push.author,
        committer=push.committer,
        commit_message=push.message or None,
    )


def decide_asked(config: Mapping[str, Any], asked: Asked, *, trigger_id: str) -> BuildRequest | Ignored:
    """The Build that is asked for without a push: it may be of source that was built before."""
    name, source = config["metadata"]["name"], _git(config)
    if (elsewhere := _elsewhere(name, source, asked.repository)) is not None:
        return elsewhere
    watched = str(source.get("ref") or "").removeprefix("refs/heads/")
    if asked.branch and watched and asked.branch != watched:
        return Ignored(f"branch {asked.branch} is not watched; {name} is built from {watched}")
    return BuildRequest(
        trigger_id=trigger_id,
        trigger_type=TriggerType.MANUAL,  # what was pushed says so itself; a hold stays
        trigger_message="asked for by a generic webhook",
        commit=asked.commit or None,
        author=asked.author,
        committer=asked.committer,
        commit_message=asked.message or None,
    )


def _git(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return (config["spec"].get("source") or {}).get("git") or {}


def _elsewhere(name: str, source: Mapping[str, Any], repository: str) -> Ignored | None:
    """Why a delivery about this repository is not about this BuildConfig's source."""
    uri = source.get("uri")
    if not uri:
        return Ignored(f"the repository of {name} is hosted here; pushes to it make builds by themselves")
    if repository and _place(repository) != _place(uri):
        return Ignored(f"the delivery is about {repository[:200]}, but {name} is built from {uri}")
    return None


def _place(url: str) -> tuple[str, str]:
    """Host and path of a repository, by which two of its addresses compare as equal."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return url, ""
    return host.lower(), parts.path.strip("/").removesuffix(".git").lower()
