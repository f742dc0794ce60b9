"""`paas status`: everything of an application at one look, and what to do next. Pure text of objects.

shop  https://shop-demo.apps.localhost:8443
  source   pushed here, https://paas.apps.localhost:8443/git/demo/shop.git
  build    shop-7 Running for 12s, main 3f2c9ab "Fix login" (alice)
  image    shop:latest is sha256:1f0c9d21a3b4 of build shop-6
  rollout  revision 12 Complete, 3/3 ready
  next     paas logs -f build/shop-7
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from paas.api import names
from paas.api.build import Phase
from paas.api.names import Condition
from paas.api.resources import Manifest
from paas.apps import progress, rollouts
from paas.reconcile.conditions import find
from paas.terminal.output import age, duration, shorten


@dataclass(frozen=True)
class AppSnapshot:
    """The objects of a project, or of one application in it."""

    project: str
    build_configs: Sequence[Manifest] = ()
    builds: Sequence[Manifest] = ()
    streams: Sequence[Manifest] = ()
    deployment_configs: Sequence[Manifest] = ()
    services: Sequence[Manifest] = ()
    routes: Sequence[Manifest] = ()
    pods: Sequence[Manifest] = ()

    def of(self, app: str) -> AppSnapshot:
        """The part that belongs to one application."""
        mine = {
            name: [obj for obj in value if app_of(obj) == app]
            for name, value in self.__dict__.items()
            if name not in ("project", "pods")
        }
        configs = {progress.name_of(config) for config in mine["deployment_configs"]}
        pods = [pod for pod in self.pods if _labels(pod).get(names.LABEL_DEPLOYMENTCONFIG) in configs]
        return AppSnapshot(project=self.project, pods=pods, **mine)

    def apps(self) -> list[str]:
        """Names of the applications, in order."""
        owners = (*self.build_configs, *self.deployment_configs, *self.routes, *self.streams)
        return sorted({app_of(obj) for obj in owners})


def _labels(obj: Mapping[str, Any]) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def app_of(obj: Mapping[str, Any]) -> str:
    """The application of an object: its part-of label, else its own name."""
    return _labels(obj).get(names.LABEL_PART_OF) or str(obj["metadata"]["name"])


@dataclass
class _Text:
    """Lines under headings, and the next steps that they ask for, most urgent first."""

    lines: list[str] = field(default_factory=list)
    next: list[str] = field(default_factory=list)
    bad: bool = False

    def add(self, heading: str, text: str) -> None:
        self.lines.append(f"  {heading:<8} {text}")

    def more(self, text: str) -> None:
        self.lines.append(f"  {'':<8} {text}")


def describe(snapshot: AppSnapshot, app: str, *, now: datetime) -> list[str]:
    """The lines of one application."""
    own = snapshot.of(app)
    text = _Text()
    urls = [url for route in own.routes if (url := (route.get("status") or {}).get("url"))]
    for config in own.build_configs:
        _source(text, config, own)
    _build(text, own, now)
    for stream in own.streams:
        _image(text, stream, now)
    for config in own.deployment_configs:
        _rollout(text, config, own, now)
    for route in own.routes:
        _route(text, route, own)
    steps = list(dict.fromkeys(text.next)) or ([f"paas open {app} -n {own.project}"] if urls else [])
    if not own.routes and own.services:
        steps.append(
            f"paas expose {progress.name_of(own.services[0])} -n {own.project}   (an address outside)"
        )
    for i, line in enumerate(steps[:3]):
        text.add("next" if i == 0 else "", line)
    return [f"{app}" + (f"  {urls[0]}" if urls else ""), *text.lines]


def _source(text: _Text, config: Manifest, snapshot: AppSnapshot) -> None:
    source, status = config["spec"].get("source") or {}, config.get("status") or {}
    git = source.get("git") or {}
    where = (
        f"{git['uri']}" if git.get("uri") else f"pushed here, {status.get('repository') or 'address to come'}"
    )
    branch = git.get("ref") or status.get("branch")
    folder = f", folder {source['contextDir']}" if source.get("contextDir") else ""
    text.add("source", where + (f", branch {branch}" if branch else "") + folder)
    _stalled(text, config)
    if not git.get("uri") and not snapshot.builds:
        text.next.append(
            f"git push paas {branch or 'HEAD'}   (paas git-remote {progress.name_of(config)} sets the remote)"
        )


def _build(text: _Text, snapshot: AppSnapshot, now: datetime) -> None:
    if not snapshot.builds:
        if snapshot.build_configs:
            text.add("build", "none yet")
        return
    builds = sorted(snapshot.builds, key=lambda build: int(build["spec"]["number"]), reverse=True)
    newest = builds[0]
    text.add("build", _build_text(newest, builds, now))
    phase, name = progress.phase_of(newest), progress.name_of(newest)
    if phase in (Phase.FAILED, Phase.ERROR):
        message = (newest.get("status") or {}).get("message") or ""
        text.more(shorten(message, 160))
        text.next.append(f"paas logs build/{name} -n {snapshot.project}")
    elif not progress.is_over(newest):
        text.next.append(f"paas logs -f build/{name} -n {snapshot.project}")
    running = [build for build in builds[1:] if not progress.is_over(build)]
    for build in running[:2]:
        text.more(_build_text(build, builds, now))


def _build_text(build: Manifest, builds: Iterable[Manifest], now: datetime) -> str:
    status, phase = build.get("status") or {}, progress.phase_of(build)
    reason = f" ({status['reason']})" if phase in (Phase.FAILED, Phase.ERROR) and status.get("reason") else ""
    when = ""
    if phase == Phase.NEW and (ahead := progress.waits_for(build, builds)):
        when = f", waits for {', '.join(ahead[:3])}"
    elif not progress.is_over(build):
        when = f" for {age(status.get('startTimestamp') or build['metadata'].get('creationTimestamp'), now)}"
    elif status.get("completionTimestamp"):
        took = f", took {duration(int(status['duration']))}" if status.get("duration") is not None else ""
        when = f" {age(status['completionTimestamp'], now)} ago{took}"
    commit = progress.commit_text(build)
    return f"{progress.name_of(build)} {phase}{reason}{when}" + (f", {commit}" if commit else "")


def _image(text: _Text, stream: Manifest, now: datetime) -> None:
    tags = (stream.get("status") or {}).get("tags") or ()
    if not tags:
        text.add("image", f"{progress.name_of(stream)} has no image yet")
    for tag in tags:
        item = (tag.get("items") or [{}])[0]
        of_build = f" of build {item['build']}" if item.get("build") else ""
        since = f", {age(item['created'], now)} ago" if item.get("created") else ""
        text.add(
            "image",
            f"{progress.name_of(stream)}:{tag['tag']} is {str(item.get('image', ''))[:19]}{of_build}{since}",
        )
    _stalled(text, stream)


def _rollout(text: _Text, config: Manifest, snapshot: AppSnapshot, now: datetime) -> None:
    name, status = progress.name_of(config), config.get("status") or {}
    rollout = status.get("rollout")
    if not rollout:
        ready = find(config, Condition.READY) or {}
        text.add(
            "rollout", f"none yet: {ready.get('message') or ready.get('reason') or 'nothing to roll out'}"
        )
    else:
        revision = int(rollout["revision"])
        phase = rollout.get("phase")
        since = age(rollout.get("finishedAt") or rollout.get("startedAt"), now)
        built = f" of build {rollout['build']}" if rollout.get("build") else ""
        active = status.get("activeRevision")
        shown = revision if phase != "Failed" else int(active or revision)
        counts = rollouts.ready_text(config, shown, snapshot.pods)
        text.add(
            "rollout",
            f"revision {revision}{built} {phase}" + (f" {since} ago" if since else "") + f", {counts}",
        )
        if phase == "Failed":
            message = str(rollout.get("message") or rollout.get("reason") or "")
            for part in message.removeprefix(f"revision {revision} failed: ").split("; "):
                text.more(shorten(part, 160))
            if "takes its place" not in message:
                text.more(rollouts.serving_text(config))
            text.next.append(f"paas rollout history {name} -n {snapshot.project}")
            text.next.append(f"paas logs {name} -n {snapshot.project}")
        elif phase != "Complete":
            text.next.append(f"paas rollout status {name} -n {snapshot.project}")
        for trouble in _troubles(snapshot.pods, revision):
            text.more(trouble)
            text.next.insert(0, f"paas logs {name} -n {snapshot.project}")
    if hold := status.get("hold"):
        withheld = hold.get("withheld") or 0
        text.more(f"held at revision {hold['revision']} by a rollback; {withheld} newer images withheld")
        text.next.append(f"paas unpin {name} -n {snapshot.project}   (lets the newest image go out)")
    if config["spec"].get("paused"):
        text.more("paused: nothing is rolled out")
    if not rollout or rollout.get("phase") != "Failed":
        _stalled(text, config)  # a failed rollout has told its reason already


def _troubles(pods: Iterable[Manifest], revision: int) -> list[str]:
    found: dict[str, str] = {}
    for pod in progress.of_revision(pods, revision):
        if trouble := progress.pod_trouble(pod):
            found.setdefault(trouble, f"pod {progress.name_of(pod)}: {trouble}")
    return list(found.values())[:3]


def _route(text: _Text, route: Manifest, snapshot: AppSnapshot) -> None:
    ready = find(route, Condition.READY) or {}
    name, status = progress.name_of(route), route.get("status") or {}
    target = (route["spec"].get("to") or {}).get("name")
    state = (
        "ready" if ready.get("status") == "True" else f"not ready: {ready.get('message') or 'not seen yet'}"
    )
    text.add("route", f"{status.get('url') or name} to service {target}, {state}")
    if ready and ready.get("status") != "True":
        text.next.append(f"paas get route/{name} -n {snapshot.project} -o yaml")


def _stalled(text: _Text, obj: Manifest) -> None:
    stalled = find(obj, Condition.STALLED)
    if stalled and stalled.get("status") == "True":
        text.more(f"stalled: {stalled.get('reason')}: {stalled.get('message')}")
