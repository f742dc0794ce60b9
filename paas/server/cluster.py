"""What the server needs of a real cluster: the rooms' wishes as calls of the API server."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator

from paas.api import names
from paas.api.build import InvalidSource, Person
from paas.api.resources import BUILD, BUILDCONFIG, NAMESPACE, SECRET, Key, Manifest
from paas.auth import credentials
from paas.auth.review import Auth
from paas.builds.instantiate import BuildRequest, InstantiateError, instantiate
from paas.git import push
from paas.git.hosted import Preparer
from paas.git.http import Limits
from paas.kube.cluster import ApiError, Cluster, ClusterUnreachable
from paas.registry.http import TokenDependencies, token_router
from paas.registry.signer import Signer
from paas.server.app import Dependencies
from paas.server.story import story
from paas.settings import Settings
from paas.source import buildpacks

MANAGER = "paas-server"


def needs_of(cluster: Cluster, settings: Settings) -> Dependencies:
    """Everything that the server is made of. Raises OSError when a key is not mounted."""
    auth = Auth(cluster)
    credential_key = credentials.key_of(settings.credentials_key_file.read_text())
    find_build = functools.partial(cluster.get, BUILD)
    tokens = TokenDependencies(
        signer=Signer(settings.registry_token_key_file.read_bytes()),
        service=settings.registry_service,
        credential_key=credential_key,
        find_build=find_build,
        find_namespace=lambda name: cluster.get(NAMESPACE, Key("", name)),
    )
    return Dependencies(
        repositories=settings.repositories,
        authenticate=auth.authenticate,
        authorize=auth.authorize,
        find_config=functools.partial(cluster.get, BUILDCONFIG),
        find_build=find_build,
        find_secret=functools.partial(cluster.get, SECRET),
        list_configs=functools.partial(list_configs, cluster),
        build_numbers=functools.partial(build_numbers, cluster),
        instantiate=functools.partial(make_build, cluster),
        prepare=Preparer(buildpacks.load(), runtime_registry=settings.builds.runtime_registry),
        story=functools.partial(tell, cluster, settings.builds.stop_wait_seconds),
        ready=functools.partial(is_ready, cluster),
        credential_key=credential_key,
        routers=(token_router(tokens),),
        limits=Limits(
            push_bytes=settings.sources.push_limit_bytes,
            total_seconds=settings.sources.request_timeout_seconds,
        ),
        story_seconds=settings.builds.stop_wait_seconds + 30,
    )


async def make_build(cluster: Cluster, key: Key, wanted: push.NewBuild) -> push.Made:
    """`builds.instantiate` as the sources room wants it. Raises CannotBuild and what the cluster raises."""
    request = BuildRequest(
        trigger_id=wanted.trigger_id,
        trigger_type=wanted.trigger_type,
        trigger_message=wanted.trigger_message,
        user=wanted.user,
        commit=wanted.commit,
        ref=wanted.ref,
        author=_person(wanted.author),
        committer=_person(wanted.committer),
        commit_message=wanted.commit_message or None,
        dockerfile=wanted.dockerfile,
        buildpack=wanted.buildpack,
        content_key=wanted.content_key,
        invalid=_invalid(wanted.invalid),
    )
    try:
        made = await instantiate(cluster, key, request, manager=MANAGER)
    except InstantiateError as problem:
        raise push.CannotBuild(str(problem)) from problem
    except ApiError as problem:
        if problem.status in (400, 413, 422):
            raise push.CannotBuild(f"The API server does not take the build: {problem.message}") from problem
        raise
    return push.Made(made.build, made.created)


def _person(person: push.Person | None) -> Person | None:
    return Person(name=person.name, email=person.email) if person else None


def _invalid(invalid: push.Invalid | None) -> InvalidSource | None:
    return InvalidSource(reason=invalid.reason, message=invalid.message) if invalid else None


def tell(cluster: Cluster, wait: float, build: Manifest) -> AsyncGenerator[str, None]:
    """The story of a Build for at most `wait` seconds; closing it closes its watches."""
    return story(cluster, build, wait=wait)


async def list_configs(cluster: Cluster) -> dict[str, Key]:
    """All BuildConfigs by UID."""
    return {
        config["metadata"]["uid"]: Key(config["metadata"]["namespace"], config["metadata"]["name"])
        for config in await cluster.list(BUILDCONFIG)
    }


async def build_numbers(cluster: Cluster, key: Key) -> set[int]:
    """Numbers of the Builds that a BuildConfig has."""
    builds = await cluster.list(BUILD, key.namespace, labels=f"{names.LABEL_BUILDCONFIG}={key.name}")
    return {int(build["spec"]["number"]) for build in builds}


async def is_ready(cluster: Cluster) -> bool:
    """Whether the API server answers."""
    try:
        await cluster.request("GET", "/readyz", timeout=5)
    except (ApiError, ClusterUnreachable):
        return False
    return True
