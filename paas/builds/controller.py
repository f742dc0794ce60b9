"""Watches BuildConfigs, Builds and their Jobs and pods, and gathers what `plan` needs.

The key is the BuildConfig. What the view cannot tell is read live and only when it decides something:
foreign objects under a child's name before the child is made, a pod that the view may not have seen yet
before its build counts as lost, the end of a failed container's log, and the registry's word on an image.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from paas.api import names
from paas.api.build import TERMINAL
from paas.api.build_request import BuildRefused, InstantiateError
from paas.api.project import is_project
from paas.api.resources import (
    BUILD,
    BUILDCONFIG,
    EVENT,
    IMAGESTREAM,
    JOB,
    LEASE,
    NAMESPACE,
    NODE,
    POD,
    SECRET,
    Key,
    Manifest,
    key_of,
)
from paas.auth import credentials
from paas.builds import job as jobs
from paas.builds import outcome, run_policy
from paas.builds.instantiate import instantiate
from paas.builds.plan import TABLE, StartBuild, plan
from paas.builds.pod_refusal import pod_refusal
from paas.builds.snapshot import (
    Confirmed,
    JobInputs,
    Observed,
    ObservedBuild,
    Unconfirmed,
    judge,
    needs_registry,
    phase_of,
    started,
)
from paas.kube.cluster import Cluster
from paas.kube.errors import ApiError, ClusterUnreachable
from paas.kube.view import View
from paas.reconcile import meta
from paas.reconcile.conditions import parse_time
from paas.reconcile.controller import Controller, Watch, itself, labelled
from paas.reconcile.plan import Effect, Plan
from paas.reconcile.refusal import EffectRefused, Refusal
from paas.reconcile.refused_pods import FAILED_CREATE
from paas.reconcile.status import Blocker
from paas.registry import collection
from paas.registry.client import RegistryClient, RegistryError
from paas.registry.repositories import repositories_of
from paas.settings import Settings
from paas.source import buildpacks

logger = logging.getLogger(__name__)

OURS: Final = {names.LABEL_MANAGED_BY: names.MANAGED_BY}
TAIL_LINES: Final = 500
"""Lines read from the end of a failed container's log: enough to find the step that printed most of them."""
TAIL_SECONDS: Final = 5.0


def _of_build(build: Manifest, view: View) -> Iterable[Key]:
    yield Key(build["metadata"]["namespace"], build["spec"]["buildConfig"])


def _of_stream(stream: Manifest, view: View) -> Iterable[Key]:
    namespace, name = stream["metadata"]["namespace"], stream["metadata"]["name"]
    for config in view.list(BUILDCONFIG, namespace):
        if (((config["spec"].get("output") or {}).get("to") or {}).get("name") or "").startswith(f"{name}:"):
            yield key_of(config)


def _of_namespace(namespace: Manifest, view: View) -> Iterable[Key]:
    for config in view.list(BUILDCONFIG, namespace["metadata"]["name"]):
        yield key_of(config)


def _nobody(node: Manifest, view: View) -> Iterable[Key]:
    return ()


class BuildsController(Controller[Observed]):
    """Carries Builds out and keeps the status of BuildConfigs."""

    name = "paas-builds"
    watches = (
        Watch(BUILDCONFIG, itself),
        Watch(BUILD, _of_build),
        Watch(JOB, labelled(names.LABEL_BUILDCONFIG), labels=OURS),
        Watch(POD, labelled(names.LABEL_BUILDCONFIG), labels=OURS),
        Watch(IMAGESTREAM, _of_stream),
        Watch(NAMESPACE, _of_namespace),
        Watch(NODE, _nobody),
    )

    def __init__(self, *, cluster: Cluster, view: View, settings: Settings) -> None:
        super().__init__(cluster=cluster, view=view, settings=settings)
        self._key: bytes | None = None
        self._registry: RegistryClient | None = None
        self._runtimes = _runtimes(settings)

    def plan(self, observed: Observed, *, now: datetime, settings: Settings) -> Plan:
        return plan(observed, now=now, settings=settings)

    def failing(self, key: Key, blocker: Blocker, *, now: datetime) -> Plan:
        config = self.view.get(BUILDCONFIG, key)
        return Plan.of(TABLE.failing(config, blocker, now=now) if config is not None else ())

    async def effect(self, effect: Effect) -> None:
        if not isinstance(effect, StartBuild):
            return await super().effect(effect)
        try:
            await instantiate(self.cluster, effect.config, effect.request, manager=self.name)
        except BuildRefused as problem:
            raise EffectRefused(str(problem)) from problem
        except InstantiateError as problem:
            # The BuildConfig is gone, or a later Build exists: its event wakes us.
            logger.info("%s: no build: %s", effect.config, problem)
        return None

    async def gather(self, key: Key, refusals: tuple[Refusal, ...]) -> Observed | None:
        namespace = self.view.get(NAMESPACE, Key("", key.namespace))
        if namespace is None or not is_project(namespace) or namespace["metadata"].get("deletionTimestamp"):
            return None  # in one that is going away nothing starts, and our right to its Secrets goes first
        config = self.view.get(BUILDCONFIG, key)
        builds = self.view.list(BUILD, key.namespace, label=(names.LABEL_BUILDCONFIG, key.name))
        if config is not None:
            uid = config["metadata"]["uid"]
            builds = [build for build in builds if build["spec"]["buildConfigUid"] == uid]
        elif not builds:
            return None
        inputs = await self._inputs(namespace, builds)
        if inputs is None:
            return None
        return Observed(
            key=key,
            config=config,
            builds=tuple([await self._seen(build, builds, inputs) for build in builds]),
            streams={s["metadata"]["name"]: s for s in self.view.list(IMAGESTREAM, key.namespace)},
            inputs=inputs,
            source_secret_missing=await self._missing_secret(key.namespace, config) is not None,
            refusals=refusals,
        )

    async def _inputs(self, namespace: Manifest, builds: list[Manifest]) -> JobInputs | None:
        """None when the project is gone."""
        busy = any(phase_of(build) not in TERMINAL for build in builds)
        if busy:
            # Namespaces and Builds are watched apart: a Build of a project that was made again must not be
            # given the repositories of the Namespace before.
            live = await self.cluster.get(NAMESPACE, key_of(namespace))
            if live is None or live["metadata"].get("deletionTimestamp"):
                return None
            namespace = live
        repositories = repositories_of(namespace, by_name_until=self.settings.repositories_by_name_until)
        if repositories is None:
            return None
        return JobInputs(
            repositories=repositories,
            key=self._credential_key() if busy else self._key,
            ca=self.settings.ca_file.read_text() if busy and self.settings.ca_file.exists() else "",
            user_namespaces=self._user_namespaces(),
            runtimes=self._runtimes,
        )

    def _credential_key(self) -> bytes | None:
        """The key in its mounted file; None while that cannot be read, or has no key in it."""
        if self._key is None:
            try:
                self._key = credentials.key_of(self.settings.credentials_key_file.read_text())
            except (OSError, ValueError):
                return None
        return self._key

    def _user_namespaces(self) -> bool:
        chosen = self.settings.builds.host_users
        if chosen != "auto":
            return chosen == "off"
        nodes = [node for node in self.view.list(NODE) if not (node.get("spec") or {}).get("unschedulable")]
        return bool(nodes) and all(_maps_users(node) for node in nodes)

    async def _seen(self, build: Manifest, builds: list[Manifest], inputs: JobInputs) -> ObservedBuild:
        uid = build["metadata"]["uid"]
        own = self.view.list(JOB, owner_uid=uid)
        job = own[0] if own else None
        pod = self._pod(job, build)
        seen = ObservedBuild(build=build, job=job, pod=pod)
        if phase_of(build) in TERMINAL:
            return seen
        if not started(seen):
            return await self._before_start(seen, builds)
        return await self._after_start(seen, inputs)

    def _pod(self, job: Manifest | None, build: Manifest) -> Manifest | None:
        if job is not None:
            pods = self.view.list(POD, owner_uid=job["metadata"]["uid"])
        else:
            label = (names.LABEL_BUILD, build["metadata"]["name"])
            pods = self.view.list(POD, build["metadata"]["namespace"], label=label)
        return min(pods, key=lambda pod: pod["metadata"].get("creationTimestamp") or "") if pods else None

    async def _before_start(self, seen: ObservedBuild, builds: list[Manifest]) -> ObservedBuild:
        """Look live at what has the names of the Job and Secret that are about to be made."""
        build = seen.build
        entries = [
            run_policy.Entry(
                int(b["spec"]["number"]),
                b["metadata"]["name"],
                phase_of(b),
                started=bool((b.get("status") or {}).get("job")),
                cancelled=bool(b["spec"].get("cancelled")),
            )
            for b in builds
        ]
        first = run_policy.next_up(entries)
        if first is None or first.name != build["metadata"]["name"]:
            return seen
        child = Key(build["metadata"]["namespace"], jobs.job_name(build))
        uid = build["metadata"]["uid"]
        job = await self.cluster.get(JOB, child)
        if job is not None and meta.owned_by(job, uid):
            return ObservedBuild(build=build, job=job, pod=self._pod(job, build))
        if job is not None:
            return ObservedBuild(build=build, taken=f"Job {child.name}")
        secret = await self.cluster.get(SECRET, child)
        if secret is not None and not meta.owned_by(secret, uid):
            return ObservedBuild(build=build, taken=f"Secret {child.name}")
        return ObservedBuild(
            build=build,
            has_secret=secret is not None,
            collecting=collection.under_way(
                await self.cluster.get(LEASE, collection.LEASE_KEY), now=datetime.now(UTC)
            ),
            secret_missing=await self._missing_secret(child.namespace, build),
        )

    async def _after_start(self, seen: ObservedBuild, inputs: JobInputs) -> ObservedBuild:
        build, job, pod = seen.build, seen.job, seen.pod
        if job is not None and outcome.job_state(job) is not None and not _has_ended(pod):
            # Job and pod are watched apart: the Job's end may be seen before the pod's.
            pod = await self._live_pod(job)
        if job is not None and outcome.job_state(job) is None and pod is None:
            refusal = pod_refusal(job, await self._events(job))
            return ObservedBuild(build=build, job=job, pod_refusal=refusal)
        tail = await self._tail(pod)
        seen = ObservedBuild(build=build, job=job, pod=pod, tail=tail)
        if needs_registry(judge(seen, inputs, datetime.now(UTC))):
            image = await self._image(build, inputs)
            return ObservedBuild(build=build, job=job, pod=pod, tail=tail, image=image)
        return seen

    async def _events(self, job: Manifest) -> list[Manifest]:
        """What the Job controller says of a Job that has had no pod for a while."""
        made = parse_time(job["metadata"]["creationTimestamp"])
        if (datetime.now(UTC) - made).total_seconds() < outcome.NO_POD_RECHECK:
            return []
        fields = f"involvedObject.uid={job['metadata']['uid']},reason={FAILED_CREATE}"
        return await self.cluster.list(EVENT, job["metadata"]["namespace"], fields=fields)

    async def _live_pod(self, job: Manifest) -> Manifest | None:
        namespace, uid = job["metadata"]["namespace"], job["metadata"]["uid"]
        selector = f"{names.LABEL_BUILD}={job['metadata']['labels'][names.LABEL_BUILD]}"
        pods = [
            pod for pod in await self.cluster.list(POD, namespace, labels=selector) if meta.owned_by(pod, uid)
        ]
        return pods[0] if pods else None

    async def _tail(self, pod: Manifest | None) -> str | None:
        container = outcome.failed_container(pod) if pod is not None else None
        if pod is None or container is None:
            return None
        try:
            async with asyncio.timeout(TAIL_SECONDS):
                lines = [
                    line
                    async for line in self.cluster.logs(key_of(pod), container=container, tail=TAIL_LINES)
                ]
        except (ApiError, ClusterUnreachable, TimeoutError) as problem:
            logger.info("no log of pod %s: %s", key_of(pod), problem)
            return None  # the termination message has the end of it
        return "\n".join(lines) or None

    async def _image(self, build: Manifest, inputs: JobInputs) -> Confirmed | Unconfirmed:
        stream = build["spec"]["output"]["to"]["name"].partition(":")[0]
        repository = inputs.repositories.images(stream)
        try:
            registry = await self._client()
            return Confirmed(await registry.digest(repository, build["metadata"]["uid"]))
        except (RegistryError, OSError) as problem:
            return Unconfirmed(str(problem) or type(problem).__name__)

    async def _client(self) -> RegistryClient:
        if self._registry is None:
            key = self._credential_key()
            if key is None:
                raise RegistryError("the platform's key of credentials cannot be read")
            client = RegistryClient(
                self.settings.registry_push,
                username=credentials.PLATFORM_USER,
                password=credentials.platform_credential(key),
                ca_file=self.settings.ca_file if self.settings.ca_file.exists() else None,
            )
            self._registry = await client.__aenter__()
        return self._registry

    async def _missing_secret(self, namespace: str, obj: Manifest | None) -> str | None:
        """The Secret that a BuildConfig or Build fetches its source with, if that does not exist."""
        source = ((obj or {}).get("spec") or {}).get("source") or {}
        wanted = str((source.get("sourceSecret") or {}).get("name") or "")
        missing = wanted and await self.cluster.get(SECRET, Key(namespace, wanted)) is None
        return wanted if missing else None


def _has_ended(pod: Manifest | None) -> bool:
    return ((pod or {}).get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _maps_users(node: Manifest) -> bool:
    """Whether the node's default runtime can run pods in a user namespace."""
    handlers = (node.get("status") or {}).get("runtimeHandlers") or []
    default = [handler for handler in handlers if not handler.get("name")] or handlers
    return any((handler.get("features") or {}).get("userNamespaces") for handler in default)


def _runtimes(settings: Settings) -> tuple[str, ...]:
    try:
        packs = buildpacks.load()
    except buildpacks.BadBuildpack as problem:
        logger.warning("no hint about runtime images: %s", problem)
        return ()
    return tuple(f"{settings.builds.runtime_registry}/{pack.runtime_name}" for pack in packs)
