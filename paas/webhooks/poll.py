"""Looks at git hosts by itself, for BuildConfigs with `pollIntervalSeconds`: what the host's webhook told a
server that was away, or never told, is found.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from paas.api.build_request import InstantiateError
from paas.api.buildconfig_status import Delivery
from paas.api.resources import Manifest, key_of
from paas.kube.errors import ApiError
from paas.reconcile.conditions import timestamp
from paas.reconcile.tasks import cancelled
from paas.webhooks.record import Record, cause_refused, why_refused
from paas.webhooks.source_builds import SourceBuilds

log = logging.getLogger(__name__)

LIST_SECONDS: Final = 20.0
"""How often it is looked which BuildConfigs are to be polled; an interval is at least three times as long."""
FIRST_SECONDS: Final = 30.0
"""Within which all are polled after a start, for what was told while nobody listened."""
GENERIC_SECONDS: Final = 600
"""Between polls of a BuildConfig with a Generic trigger that does not say: who sends those webhooks may not
repeat one that was lost."""
PATIENCE: Final = 60.0
"""How long a poll waits for its turn: each project has one poll at a time, and silent hosts take long."""


class Poller:
    """Polls what is due, for ever; the rounds of projects do not wait for each other."""

    def __init__(
        self,
        *,
        list_configs: Callable[[], Awaitable[list[Manifest]]],
        source_builds: SourceBuilds,
        record: Record,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._list_configs, self._source_builds, self._record = list_configs, source_builds, record
        self._clock = clock
        self._due: dict[str, float] = {}
        self._rounds: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                try:
                    await self.once()
                except Exception:
                    # nobody would miss this task
                    log.exception("git hosts could not be looked at")
                await asyncio.sleep(LIST_SECONDS)
        finally:
            await cancelled(*self._rounds.values())

    async def once(self) -> None:
        """Begin a round in each project where something is due and no round is under way."""
        polled = {c["metadata"]["uid"]: c for c in await self._list_configs() if interval_of(c)}
        self._due = {uid: due for uid, due in self._due.items() if uid in polled}
        now = self._clock()
        for uid in polled.keys() - self._due.keys():
            self._due[uid] = now + random.uniform(0, FIRST_SECONDS)  # noqa: S311
        due: dict[str, list[Manifest]] = {}
        for uid in sorted(polled, key=self._due.__getitem__):
            if self._due[uid] <= now:
                due.setdefault(polled[uid]["metadata"]["namespace"], []).append(polled[uid])
        for project in due.keys() - self._rounds.keys():
            self._rounds[project] = asyncio.create_task(self._round(project, due[project]))

    async def _round(self, project: str, configs: list[Manifest]) -> None:
        try:
            for config in configs:
                await self._poll(config)
        finally:
            del self._rounds[project]

    async def _poll(self, config: Manifest) -> None:
        # a little early each time, so that what is listed only now and then is not always late
        self._due[config["metadata"]["uid"]] = self._clock() + interval_of(config) - LIST_SECONDS
        key = key_of(config)
        try:
            found = await self._source_builds.polled(key)
        except InstantiateError as problem:
            await self._record(key, _delivery(config, "ignored", str(problem)), None)
            return
        except ApiError as problem:
            log.warning("%s could not be polled: %s", key, problem)
            reason = f"{why_refused(problem)}; the next poll tries again"
            delivery = _delivery(config, "retry", reason, cause=cause_refused(problem))
            await self._record(key, delivery, None)
            return
        except Exception as problem:
            # one that cannot be polled must not keep the others from being polled
            log.warning("%s could not be polled: %s: %s", key, type(problem).__name__, problem)
            reason = "the poll broke off, and the log of the server says why; the next poll tries again"
            await self._record(key, _delivery(config, "retry", reason), None)
            return
        if isinstance(found, str):
            await self._record(key, _delivery(config, "retry", found), None)
        elif found is not None:
            log.info("poll of %s: build %s", key, found.build)
            decision = "build" if found.created else "ignored"
            delivery = _delivery(config, decision, found.reason, commit=found.commit, build=found.build)
            await self._record(key, delivery, found.head)


def interval_of(config: Manifest) -> int:
    """Seconds between polls; 0 for never."""
    git = (config["spec"].get("source") or {}).get("git") or {}
    if not git.get("uri"):
        return 0
    generic = any(trigger.get("type") == "Generic" for trigger in config["spec"].get("triggers") or ())
    return int(git.get("pollIntervalSeconds") or (GENERIC_SECONDS if generic else 0))


def _delivery(
    config: Manifest,
    decision: str,
    reason: str,
    *,
    commit: str | None = None,
    cause: str | None = None,
    build: str | None = None,
) -> Delivery:
    return Delivery(
        id=f"poll-{build or config['metadata']['uid']}",
        time=timestamp(datetime.now(UTC)),
        event="poll",
        ref=((config["spec"].get("source") or {}).get("git") or {}).get("ref"),
        commit=commit,
        decision=decision,
        reason=reason[:1024],
        cause=cause,
        build=build,
    )
