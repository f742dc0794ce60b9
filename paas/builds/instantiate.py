"""The one way a Build comes to be, for server, front and operator alike.

A trigger has an id, and the same id never makes two Builds: the live list of the BuildConfig's Builds
and the last ids in its status are looked through first. Then the Build is POSTed under the next number.
Two makers at once aim at the same name; the API server lets one win, and the loser looks again.

The Build is a frozen copy of the BuildConfig and of the request: `frozen` is pure, `instantiate` does
the talking.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from paas.api import names
from paas.api.base import first_problem
from paas.api.build import (
    SOURCE_CHANGES,
    BuildSpec,
    FrozenGit,
    FrozenSource,
    GitRevision,
    Revision,
    Trigger,
)
from paas.api.build_request import (
    BuildConfigNotFound,
    BuildRefused,
    BuildRequest,
    BuildSuperseded,
    Instantiated,
)
from paas.api.buildconfig import ANNOTATION_PAUSED, BuildConfigSpec, SourceType
from paas.api.resources import BUILD, BUILDCONFIG, Key, Manifest
from paas.builds.numbers import LARGEST, counts, highest_number, number_of
from paas.builds.prune import pruned_build
from paas.kube.body import as_unicode
from paas.kube.cluster import Cluster
from paas.kube.errors import AlreadyExists, ApiError, NotFound
from paas.reconcile import meta

ATTEMPTS: Final = 100
"""Numbers tried before giving up: as many makers would have to win the race in a row."""


async def instantiate(cluster: Cluster, key: Key, request: BuildRequest, *, manager: str) -> Instantiated:
    """Make the Build that `request` asks for, or find the one that its trigger made before.

    Raises BuildConfigNotFound, BuildRefused, BuildSuperseded (all InstantiateError) and what the
    cluster raises.
    """
    for _ in range(ATTEMPTS):
        config = await cluster.get(BUILDCONFIG, key)
        if config is None or config["metadata"].get("deletionTimestamp"):
            raise BuildConfigNotFound(
                f"buildconfig {key.name!r} does not exist in project {key.namespace!r}",
                hint=f"list them with: paas get bc -n {key.namespace}",
            )
        builds = await builds_of(cluster, key)
        uid = config["metadata"]["uid"]
        own = [build for build in builds if build["spec"]["buildConfigUid"] == uid]
        for build in own:
            if build["spec"]["trigger"]["id"] == request.trigger_id:
                return Instantiated(build, created=False)
        pruned = pruned_build(config, request.trigger_id)
        if pruned is not None:
            return Instantiated(_shadow(config, pruned, request), created=False)
        if request.retry_of is not None:
            lost = int(request.retry_of["spec"]["number"])
            later = max((number_of(build) for build in own if counts(build)), default=0)
            if later > lost:
                raise BuildSuperseded(f"{key.name}-{later} is later than the lost {key.name}-{lost}")
        if request.newest_source is not None:
            later = newest_source(own)
            if later > request.newest_source:
                raise BuildSuperseded(f"{key.name}-{later} was made of newer source meanwhile")
        number = highest_number(config, builds) + 1
        if number > LARGEST:
            raise BuildRefused(
                f"the build numbers of {key.name!r} are used up: {key.name}-{number - 1} was made by hand",
                hint="make a new BuildConfig under another name; this one is shown by: "
                f"kubectl get bc {key.name} -n {key.namespace} -o yaml",
            )
        try:
            return Instantiated(await cluster.create(frozen(config, request, number), manager=manager), True)
        except AlreadyExists:
            continue  # another maker took the number between our list and our POST
        except NotFound:
            continue  # the project or the BuildConfig's kind is going away: the next get says so
    raise BuildRefused(f"no free build number for {key.name!r} after {ATTEMPTS} attempts", hint="try again")


def newest_source(builds: Iterable[Manifest]) -> int:
    """Number of the newest of these Builds that was made because the source changed; 0 for none."""
    changed = (b for b in builds if b["spec"]["trigger"]["type"] in SOURCE_CHANGES and counts(b))
    return max((number_of(build) for build in changed), default=0)


async def builds_of(cluster: Cluster, key: Key) -> list[Manifest]:
    """The Builds of the BuildConfigs that have or had this name."""
    return await cluster.list(BUILD, key.namespace, labels=f"{names.LABEL_BUILDCONFIG}={key.name}")


async def start_build(cluster: Cluster, key: Key, request: BuildRequest, *, manager: str) -> Instantiated:
    """`instantiate` for pushes and webhooks. What the API server does not accept as a Build today it will not
    accept later either, so that is a refusal and not a reason to try again."""
    try:
        return await instantiate(cluster, key, request, manager=manager)
    except ApiError as problem:
        if problem.status in (400, 413, 422):
            raise BuildRefused(f"the API server does not accept the build: {problem.message}") from problem
        raise


def frozen(config: Manifest, request: BuildRequest, number: int) -> Manifest:
    """The Build of a request: pure. Raises BuildRefused when the BuildConfig does not allow it."""
    name = config["metadata"]["name"]
    if (config["metadata"].get("annotations") or {}).get(ANNOTATION_PAUSED) == "true":
        raise BuildRefused(
            f"buildconfig {name!r} is paused",
            hint=f"let builds run again with: kubectl annotate bc/{name} {ANNOTATION_PAUSED}-",
        )
    # what others wrote can hold lone surrogates, which neither the models nor the API server take
    texts = (request.trigger_message, request.user, request.ref, request.commit_message)
    message, user, ref, commit_message = map(as_unicode, texts)
    request = replace(request, trigger_message=message, user=user, ref=ref, commit_message=commit_message)
    trigger = Trigger(
        id=request.trigger_id,
        type=request.trigger_type,
        message=request.trigger_message[:1024],
        user=request.user[:1024] if request.user else None,
    )
    if request.retry_of is not None:
        old = BuildSpec.model_validate(request.retry_of["spec"])
        again = {"number": number, "trigger": trigger, "retry_of": request.retry_of["metadata"]["name"]}
        return _manifest(config, old.model_copy(update=again))
    try:
        wanted = BuildConfigSpec.model_validate(config["spec"])
    except ValidationError as problem:
        raise BuildRefused(f"buildconfig {name!r} cannot be built: {first_problem(problem)}") from problem
    return _manifest(config, _spec(config, wanted, request, trigger, number))


def _spec(
    config: Manifest, wanted: BuildConfigSpec, request: BuildRequest, trigger: Trigger, number: int
) -> BuildSpec:
    name = config["metadata"]["name"]
    source = wanted.source
    if source.kind is SourceType.HOSTED and not request.commit:
        raise BuildRefused(
            f"the repository of buildconfig {name!r} is hosted here and has nothing to build yet",
            hint="push to it first: git push paas HEAD",
        )
    strategy = wanted.strategy
    if source.kind is SourceType.HOSTED and not (request.dockerfile or request.invalid):
        raise BuildRefused(
            f"the source of buildconfig {name!r} was not prepared",
            hint=f"start the build with: paas start-build {name}",
        )
    if request.no_cache is not None:
        docker = strategy.docker_strategy.model_copy(update={"no_cache": request.no_cache})
        strategy = strategy.model_copy(update={"docker_strategy": docker})
    # git ends every message with a newline, which is no part of what was said
    message = (request.commit_message or "").strip()[:8192] or None
    return BuildSpec(
        number=number,
        build_config=name,
        build_config_uid=config["metadata"]["uid"],
        trigger=trigger,
        source=FrozenSource(
            type=source.kind,
            git=FrozenGit(uri=source.git.uri, ref=request.ref or source.git.ref),
            context_dir=source.context_dir,
            dockerfile=source.dockerfile,
            source_secret=source.source_secret,
        ),
        revision=Revision(
            git=GitRevision(
                commit=request.commit,
                ref=request.ref,
                author=request.author,
                committer=request.committer,
                message=message,
            )
        ),
        strategy=strategy,
        dockerfile=request.dockerfile if source.kind is SourceType.HOSTED else None,
        buildpack=request.buildpack,
        content_key=request.content_key,
        invalid=request.invalid,
        output=wanted.output,
        run_policy=wanted.run_policy,
        resources=wanted.resources,
        completion_deadline_seconds=wanted.completion_deadline_seconds,
        node_selector=wanted.node_selector,
    )


def _manifest(config: Manifest, spec: BuildSpec) -> Manifest:
    labels = meta.labels(
        part_of=meta.part_of(config),
        **{names.LABEL_BUILDCONFIG: spec.build_config, names.LABEL_BUILD_NUMBER: str(spec.number)},
    )
    return {
        "apiVersion": BUILD.api_version,
        "kind": BUILD.kind,
        "metadata": {
            "name": f"{spec.build_config}-{spec.number}",
            "namespace": config["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": [meta.owner_reference(config)],
        },
        "spec": spec.dump(),
    }


def _shadow(config: Manifest, name: str, request: BuildRequest) -> Manifest:
    """What is still known of a Build that was pruned: its name, number and commit."""
    return {
        "apiVersion": BUILD.api_version,
        "kind": BUILD.kind,
        "metadata": {"name": name, "namespace": config["metadata"]["namespace"]},
        "spec": {
            "number": int(name.rpartition("-")[2]),
            "buildConfig": config["metadata"]["name"],
            "buildConfigUid": config["metadata"]["uid"],
            "trigger": {"id": request.trigger_id, "type": str(request.trigger_type)},
            "revision": {"git": {"commit": request.commit}},
        },
    }
