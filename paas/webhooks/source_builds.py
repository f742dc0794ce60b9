"""Builds of external source that moved: whether a delivery told of it or a poll found it.

    BuildConfig and its Builds, live ─▶ order ─▶ instantiate ─▶ status: head

Several servers may do this for the same push at the same time. All that see the same state make the same
trigger id, so one Build; whoever sees an older state is told so by `instantiate`, and looks again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from paas.api.build import TriggerType
from paas.api.build_request import (
    BuildConfigNotFound,
    BuildRequest,
    BuildSuperseded,
    Instantiate,
    InstantiateError,
)
from paas.api.buildconfig_status import SourceHead
from paas.api.resources import Key, Manifest
from paas.builds.instantiate import newest_source
from paas.git.push import FindConfig
from paas.webhooks import order
from paas.webhooks.heads import AskHead
from paas.webhooks.host import Pushed

log = logging.getLogger(__name__)

ATTEMPTS: Final = 5
FindBuilds = Callable[[Key], Awaitable[list[Manifest]]]
"""The live Builds with the label of that BuildConfig."""


@dataclass(frozen=True)
class Made:
    """What became of a move of the branch: a Build that is new, or one that was there; `head` is to be
    recorded when it is not None."""

    created: bool
    commit: str
    build: str
    reason: str
    head: SourceHead | None = None


class SourceBuilds:
    """Makes the Builds of pushes elsewhere, in the order of the branch."""

    def __init__(
        self,
        *,
        find_config: FindConfig,
        find_builds: FindBuilds,
        instantiate: Instantiate,
        ask_head: AskHead,
    ) -> None:
        self._find_config, self._find_builds = find_config, find_builds
        self._instantiate, self._ask_head = instantiate, ask_head

    async def pushed(self, key: Key, push: Pushed, request: BuildRequest) -> Made:
        """Handle a delivered push to the watched branch; `request` is the Build it asks for. Raises
        InstantiateError, and what the cluster raises."""
        for _ in range(ATTEMPTS):
            config, builds = await self._state(key)
            last = order.last_built(config, builds, push.branch)
            verdict = order.first_look(push, last)
            if verdict is None:
                assert last is not None, "the first push is built without asking"
                report = await self._ask_head(config, push.branch)
                if report.problem:
                    log.info("%s: %s", key, report.problem)
                verdict = order.second_look(push, last, report.commit, order.commits(builds))
            if isinstance(verdict, order.Known):
                return Made(False, push.commit, verdict.build, verdict.reason)
            own = verdict.commit == push.commit
            wanted = request if own else _of_head(request, verdict.commit, push.branch)
            try:
                return await self._make(config, builds, last, wanted, push if own else None)
            except BuildSuperseded:
                continue  # another server was quicker; what it made decides now
        raise InstantiateError("the branch moves faster than builds can be made of it", hint="push again")

    async def asked(self, key: Key, request: BuildRequest) -> Made:
        """Make the Build that is asked for: of new source, if the host has some, so that it counts as such;
        else of the same again, or of the commit that is named. Raises what `pushed` raises."""
        if request.commit is None:
            config, builds = await self._state(key)
            if (before := order.built_by(config, request.trigger_id)) is not None:
                return Made(False, "", before, f"this delivery made {before} before")
            known = newest_source(builds)
            found = await self.polled(key, type=TriggerType.WEBHOOK)
            if isinstance(found, Made):
                return found
            _, builds = await self._state(key)
            if (newest := newest_source(builds)) > known:
                # another server's, perhaps of this very delivery, which came to both
                name = f"{key.name}-{newest}"
                return Made(False, "", name, f"new source was built meanwhile as {name}")
        made = await self._instantiate(key, request)
        if not made.created:
            return Made(False, request.commit or "", made.name, f"this delivery made {made.name} before")
        what = f"commit {request.commit[: order.SHOWN]}" if request.commit else "the branch's head"
        return Made(True, request.commit or "", made.name, f"{what} is built, as it was asked for")

    async def polled(self, key: Key, *, type: TriggerType = TriggerType.POLL) -> Made | str | None:
        """Ask the host where the watched branch is, and build what is new. None when nothing is; a sentence
        when the host does not tell. Raises what `pushed` raises."""
        for _ in range(ATTEMPTS):
            config, builds = await self._state(key)
            git = (config["spec"].get("source") or {}).get("git") or {}
            report = await self._ask_head(config, git.get("ref"))
            if report.problem or not report.commit or not report.ref:
                return report.problem or "the git host does not tell where the branch is"
            # the state from before the question is too old when a delivery came in between
            config, builds = await self._state(key)
            last = order.last_built(config, builds, report.ref)
            verdict = order.poll_look(report.commit, last, builds)
            if verdict is None:
                return None
            request = BuildRequest(
                trigger_id="",
                trigger_type=type,
                trigger_message=f"{report.ref} was found at {verdict.commit[: order.SHOWN]}",
                commit=verdict.commit,
                ref=report.ref,
            )
            try:
                return await self._make(config, builds, last, request, None)
            except BuildSuperseded:
                continue
        return None

    async def _state(self, key: Key) -> tuple[Manifest, list[Manifest]]:
        config = await self._find_config(key)
        if config is None or config["metadata"].get("deletionTimestamp"):
            raise BuildConfigNotFound(f"buildconfig {key.name!r} does not exist any more")
        uid = config["metadata"]["uid"]
        builds = [b for b in await self._find_builds(key) if b["spec"]["buildConfigUid"] == uid]
        return config, builds

    async def _make(
        self,
        config: Manifest,
        builds: list[Manifest],
        last: order.LastBuilt | None,
        request: BuildRequest,
        push: Pushed | None,
    ) -> Made:
        about, branch, commit = config["metadata"], str(request.ref), str(request.commit)
        wanted = replace(
            request,
            trigger_id=order.trigger_id(about["uid"], branch, commit, last),
            newest_source=newest_source(builds),
        )
        made = await self._instantiate(Key(about["namespace"], about["name"]), wanted)
        head = SourceHead(
            uri=config["spec"]["source"]["git"]["uri"],
            ref=branch,
            commit=commit,
            before=(push.before[:64] or None) if push else None,
            pushed_at=push.pushed_at if push else int(time.time()),
            build=made.name,
        )
        if not made.created:
            return Made(
                False, commit, made.name, f"{commit[: order.SHOWN]} was built before as {made.name}", head
            )
        reason = f"push to {branch} at {commit[: order.SHOWN]}"
        return Made(True, commit, made.name, reason if push else request.trigger_message, head)


def _of_head(request: BuildRequest, commit: str, branch: str) -> BuildRequest:
    """The same for the branch's head: what the push said of its own commit does not hold for that."""
    return replace(
        request,
        commit=commit,
        trigger_message=f"{branch} is at {commit[: order.SHOWN]} by now",
        author=None,
        committer=None,
        commit_message=None,
    )
