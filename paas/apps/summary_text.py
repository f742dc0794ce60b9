"""The text of `paas status`, made of an AppSummary. Pure.

shop  https://shop-demo.apps.localhost:8443
  source   pushed here, https://paas.apps.localhost:8443/git/demo/shop.git
  build    shop-7 Running for 12s, main 3f2c9ab "Fix login" (alice)
  image    shop:latest is sha256:1f0c9d21a3b4 of build shop-6
  rollout  revision 12 Complete, 3/3 ready
  next     paas logs -f build/shop-7
"""

from __future__ import annotations

import textwrap
from datetime import datetime
from typing import Final

from paas.api.build import TERMINAL, Phase
from paas.api.deployment_status import Phase as RolloutPhase
from paas.apps import builds
from paas.apps.render_progress import cause_text, ready_text, serving_text
from paas.apps.summary import (
    AppSummary,
    Backend,
    BuildSummary,
    ImageStreamSummary,
    Problem,
    RolloutSummary,
    RouteSummary,
    SourceSummary,
)
from paas.terminal.output import age, duration, plain

WIDTH: Final = 100
"""Columns of a reason before it goes on in the next line."""


class _Text:
    """Lines under headings."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, heading: str, text: str) -> None:
        self.lines.append(f"  {heading:<8} {text}")

    def more(self, text: str) -> None:
        """A line of its own under the heading, whole: it goes on in the next line between two words."""
        first = plain(text).strip().partition("\n")[0]
        for line in textwrap.wrap(first, WIDTH, break_long_words=False, break_on_hyphens=False):
            self.lines.append(f"  {'':<8} {line}")

    def stalled(self, problem: Problem | None) -> None:
        if problem is not None:
            self.more(f"stalled: {problem.reason}: {problem.message}")


def text(summary: AppSummary, *, now: datetime) -> list[str]:
    """The lines of one application."""
    out = _Text()
    for source in summary.sources:
        _source(out, source)
    if not summary.builds and summary.sources:
        out.add("build", "none yet")
    for i, build in enumerate(summary.builds):
        if i == 0:
            out.add("build", _build(build, now))
            if build.problem is not None:
                out.more(build.problem.message)
        else:
            out.lines.append(f"  {'':<8} {_build(build, now)}")
    for stream in summary.image_streams:
        _image_stream(out, stream, now)
    for rollout in summary.rollouts:
        _rollout(out, rollout, now)
    for route in summary.routes:
        out.add("route", _route(route))
    for i, step in enumerate(summary.next):
        out.add("next" if i == 0 else "", step.command + (f"   ({step.note})" if step.note else ""))
    return [summary.name + (f"  {summary.urls[0]}" if summary.urls else ""), *out.lines]


def _source(out: _Text, source: SourceSummary) -> None:
    where = source.git or f"pushed here, {source.repository or 'address to come'}"
    branch = f", branch {source.branch}" if source.branch else ""
    folder = f", folder {source.context_dir}" if source.context_dir else ""
    out.add("source", where + branch + folder)
    out.stalled(source.stalled)


def _build(build: BuildSummary, now: datetime) -> str:
    reason = f" ({build.problem.reason})" if build.problem is not None and build.problem.reason else ""
    when = ""
    if build.phase == Phase.NEW and build.waits_for:
        when = f", waits for {', '.join(build.waits_for[:3])}"
    elif build.phase not in TERMINAL:
        when = f" for {age(build.started_at, now)}"
    elif build.completed_at:
        took = f", took {duration(build.seconds)}" if build.seconds is not None else ""
        when = f" {age(build.completed_at, now)} ago{took}"
    commit = builds.commit_text(build.ref, build.commit, build.commit_message, build.author)
    return f"{build.name} {build.phase}{reason}{when}" + (f", {commit}" if commit else "")


def _image_stream(out: _Text, stream: ImageStreamSummary, now: datetime) -> None:
    if not stream.tags:
        out.add("image", f"{stream.name} has no image yet")
    for tag in stream.tags:
        of_build = f" of build {tag.build}" if tag.build else ""
        since = f", {age(tag.created_at, now)} ago" if tag.created_at else ""
        out.add("image", f"{stream.name}:{tag.tag} is {tag.image[:19]}{of_build}{since}")
    out.stalled(stream.stalled)


def _rollout(out: _Text, rollout: RolloutSummary, now: datetime) -> None:
    if rollout.revision is None:
        why = rollout.waits_for and (
            rollout.waits_for.message or rollout.waits_for.reason or "nothing to roll out"
        )
        out.add("rollout", f"none yet: {why}" if why else "none yet")
    else:
        since = age(rollout.finished_at or rollout.started_at, now)
        built = f" of build {rollout.build}" if rollout.build else ""
        pods = "scaled to 0" if rollout.replicas == 0 else ready_text(rollout.ready, rollout.replicas)
        ago = f" {since} ago" if since else ""
        out.add("rollout", f"revision {rollout.revision}{built} {rollout.phase}{ago}, {pods}")
    for problem in rollout.problems:
        out.more(problem.message)
    if rollout.phase == RolloutPhase.FAILED:
        out.more(serving_text(rollout.serving))
    for pod in rollout.pods:
        cause = cause_text(pod.reason, pod.message, pod.exit_code, out_of_memory=pod.out_of_memory)
        out.more(f"pod {pod.pod}: {cause}")
    if rollout.hold is not None:
        count = rollout.hold.withheld
        images = f"; {count} newer image{'' if count == 1 else 's'} withheld" if count else ""
        out.more(f"held at revision {rollout.hold.revision} by a rollback{images}")
    if rollout.paused:
        out.more("paused: nothing is rolled out")
    if rollout.drifted is not None:
        out.more(f"drifted: {rollout.drifted.message}")
    out.stalled(rollout.stalled)


def _route(route: RouteSummary) -> str:
    match route.ready, route.backend:
        case True, Backend.SCALED_TO_ZERO:
            state = "published, but nothing answers: scaled to 0"
        case True, Backend.NOT_READY:
            state = "published, but nothing answers: no pod is ready"
        case True, _:
            state = "ready"
        case _:
            state = f"not ready: {route.message or 'not seen yet'}"
    return f"{route.url or route.name} to service {route.service}, {state}"
