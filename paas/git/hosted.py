"""How a commit of a hosted repository is built: parsed by dulwich, decided by `prepare`.

A commit that cannot be built is no reason to refuse a push or to make no Build: the Build is made with
what is wrong, so that it fails at once and says so wherever builds are looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakValueDictionary

from dulwich.objects import ObjectID
from pydantic import ValidationError

from paas.api.base import first_problem
from paas.api.build import InvalidSource
from paas.api.build_request import BuildRefused, BuildRequest, InstantiateError
from paas.api.buildconfig import BuildConfigSpec
from paas.api.names import Reason
from paas.api.resources import Manifest
from paas.git import memory
from paas.git.objects import Objects, reading
from paas.git.repositories import Repository
from paas.git.worker import Prepared
from paas.source.buildpack import Buildpack
from paas.source.commit import LONGEST_MESSAGE, read
from paas.source.detect import Unbuildable
from paas.source.prepare import prepare
from paas.source.trees import GitTree

log = logging.getLogger(__name__)


class Preparer:
    """Prepares Builds of hosted source with these buildpacks."""

    def __init__(self, packs: Sequence[Buildpack], *, runtime_registry: str) -> None:
        self._packs, self._runtime_registry = tuple(packs), runtime_registry
        self._places = asyncio.Semaphore(memory.LOOKS)
        self._of_project: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def __call__(self, repository: Repository, config: Manifest, request: BuildRequest) -> Prepared:
        """`request` with author, Dockerfile and content key of its commit. Raises BuildRefused."""
        try:
            spec = BuildConfigSpec.model_validate(config["spec"])
        except ValidationError as problem:
            name, namespace = config["metadata"]["name"], config["metadata"]["namespace"]
            raise BuildRefused(
                f"BuildConfig {name} is not valid: {first_problem(problem)}",
                hint=f"correct it with: kubectl edit bc/{name} -n {namespace}",
            ) from problem
        # One of a project at a time. They wait here and not in a thread: there are a few for all, and if each
        # of these waited for a place, no push could be flushed.
        turn = self._of_project.setdefault(repository.key.namespace, asyncio.Semaphore(1))
        async with turn, self._places:
            # unpacking trees takes CPU time that other pushes need
            return await asyncio.to_thread(self._prepare, repository, spec, request)

    def _prepare(self, repository: Repository, spec: BuildConfigSpec, request: BuildRequest) -> Prepared:
        try:
            with reading(repository.path) as objects:
                return self._look(objects, spec, request)
        except Unbuildable as problem:  # the commit itself could not be looked at
            return _invalid(request, problem)
        except (OSError, InstantiateError):
            raise
        except Exception as problem:
            # whatever a commit contains, it must not keep the pushes behind it from being handled
            log.exception("commit %s of %s", request.commit, repository.key)
            reason = Reason.MANAGE_DOCKERFILE_FAILED
            text = f"commit {_short(request)} cannot be read ({type(problem).__name__}); push another"
            return _invalid(request, Unbuildable(reason, text))

    def _look(self, objects: Objects, spec: BuildConfigSpec, request: BuildRequest) -> Prepared:
        assert request.commit is not None, "a push has a commit"
        kind, content = objects.raw(ObjectID(request.commit.encode()))
        if kind != b"commit":
            raise BuildRefused(f"{request.commit} is not a commit", hint="push a branch")
        commit = read(content)
        request = replace(
            request,
            author=commit.author,
            committer=commit.committer,
            commit_message=commit.message or None,
        )
        docker = spec.strategy.docker_strategy
        try:
            made = prepare(
                GitTree(objects, commit.tree),
                self._packs,
                runtime_registry=self._runtime_registry,
                context_dir=spec.source.context_dir,
                dockerfile_path=docker.dockerfile_path,
                inline=spec.source.dockerfile,
                build_args={arg.name: arg.value for arg in docker.build_args or ()},
            )
        except Unbuildable as problem:
            return _invalid(request, problem)
        request = replace(
            request, dockerfile=made.dockerfile, buildpack=made.buildpack, content_key=made.content_key
        )
        return Prepared(request, made.found)


def _short(request: BuildRequest) -> str:
    return (request.commit or "")[:12]


def _invalid(request: BuildRequest, problem: Unbuildable) -> Prepared:
    invalid = InvalidSource(reason=problem.reason, message=problem.message[:LONGEST_MESSAGE])
    return Prepared(replace(request, invalid=invalid))
