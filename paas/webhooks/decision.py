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
from paas.webhooks.host import Ignored, Pushed


def decide(config: Mapping[str, Any], push: Pushed) -> BuildRequest | Ignored:
    """The Build that this push makes of the BuildConfig, or why it makes none."""
    name = config["metadata"]["name"]
    source = (config["spec"].get("source") or {}).get("git") or {}
    uri = source.get("uri")
    if not uri:
        return Ignored(f"the repository of {name} is hosted here; pushes to it make builds by themselves")
    if push.repository and _place(push.repository) != _place(uri):
        return Ignored(f"the delivery is about {push.repository[:200]}, but {name} is built from {uri}")
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


def _place(url: str) -> tuple[str, str]:
    """Host and path of a repository, by which two of its addresses compare as equal."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return url, ""
    return host.lower(), parts.path.strip("/").removesuffix(".git").lower()
