"""Watches ImageStreams and Builds, and keeps each stream's history.

A Build wakes the stream that it feeds, so it is merged when it completes, and also when the stream is
made only later.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from paas.api.project import is_project
from paas.api.resources import BUILD, IMAGESTREAM, NAMESPACE, Key, Manifest
from paas.images.plan import TABLE, Observed, plan
from paas.kube.view import View
from paas.reconcile.controller import Controller, Watch, itself
from paas.reconcile.plan import Plan
from paas.reconcile.refusal import Refusal
from paas.reconcile.status import Blocker
from paas.registry.reference import target
from paas.registry.repositories import repositories_of
from paas.settings import Settings


def _fed(build: Manifest, view: View) -> Iterable[Key]:
    to = target(build)
    if to is not None:
        yield Key(build["metadata"]["namespace"], to.stream)


def _of_project(namespace: Manifest, view: View) -> Iterable[Key]:
    for stream in view.list(IMAGESTREAM, namespace["metadata"]["name"]):
        yield Key(stream["metadata"]["namespace"], stream["metadata"]["name"])


class ImagesController(Controller[Observed]):
    """Keeps the status of ImageStreams."""

    name = "paas-images"
    watches = (Watch(IMAGESTREAM, itself), Watch(BUILD, _fed), Watch(NAMESPACE, _of_project))

    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> Observed | None:
        # The only write is the status, and when that is refused the executor tells it by an Event.
        stream = self.view.get(IMAGESTREAM, key)
        if stream is None or stream["metadata"].get("deletionTimestamp"):
            return None
        namespace = self.view.get(NAMESPACE, Key("", key.namespace))
        if namespace is None or not is_project(namespace):
            return None
        repositories = repositories_of(namespace, by_name_until=self.settings.repositories_by_name_until)
        if repositories is None:
            return None
        builds = []
        for build in self.view.list(BUILD, key.namespace):
            to = target(build)
            if to is not None and to.stream == key.name:
                builds.append(build)
        return Observed(stream=stream, repositories=repositories, builds=tuple(builds))

    def plan(self, observed: Observed, *, now: datetime, settings: Settings) -> Plan:
        return plan(observed, now=now, settings=settings)

    def failing(self, key: Key, blocker: Blocker, *, now: datetime) -> Plan:
        stream = self.view.get(IMAGESTREAM, key)
        return Plan.of(TABLE.failing(stream, blocker, now=now) if stream is not None else ())
