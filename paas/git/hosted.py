"""How a commit of a hosted repository is built: parsed by dulwich, decided by `prepare`.

A commit that cannot be built is no reason to refuse a push or to make no Build: the Build is made with
what is wrong, so that it fails at once and says so wherever builds are looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from dulwich.objects import Commit, ObjectID
from pydantic import ValidationError

from paas.api.buildconfig import BuildConfigSpec
from paas.api.names import Reason
from paas.api.resources import Manifest
from paas.git import push_messages
from paas.git.objects import Objects, reading
from paas.git.push import CannotBuild, Invalid, NewBuild, Person
from paas.git.repositories import Repository
from paas.git.worker import Prepared
from paas.source.buildpacks import Buildpack
from paas.source.detect import Unbuildable
from paas.source.prepare import prepare
from paas.source.trees import GitTree

log = logging.getLogger(__name__)

LONGEST_MESSAGE = 8192


class Preparer:
    """Prepares Builds of hosted source with these buildpacks."""

    def __init__(self, packs: Sequence[Buildpack], *, runtime_registry: str) -> None:
        self._packs, self._runtime_registry = tuple(packs), runtime_registry

    async def __call__(self, repository: Repository, config: Manifest, wanted: NewBuild) -> Prepared:
        """`wanted` with commit, Dockerfile and content key filled in. Raises CannotBuild."""
        try:
            spec = BuildConfigSpec.model_validate(config["spec"])
        except ValidationError as problem:
            name = config["metadata"]["name"]
            raise CannotBuild(
                f"BuildConfig {name} is not valid: {problem.errors()[0]['msg']}; correct it with: "
                f"kubectl edit bc/{name} -n {config['metadata']['namespace']}"
            ) from problem
        # unpacking trees takes CPU time that other pushes need
        return await asyncio.to_thread(self._prepare, repository, spec, wanted)

    def _prepare(self, repository: Repository, spec: BuildConfigSpec, wanted: NewBuild) -> Prepared:
        try:
            with reading(repository.path) as objects:
                return self._look(objects, spec, wanted)
        except Unbuildable as problem:  # the commit itself could not be looked at
            return _invalid(wanted, problem, wanted.user or "unknown")
        except (OSError, CannotBuild):
            raise
        except Exception as problem:
            # whatever a commit contains, it must not keep the pushes behind it from being handled
            log.exception("commit %s of %s", wanted.commit, repository.key)
            reason = Reason.MANAGE_DOCKERFILE_FAILED
            text = (
                f"commit {wanted.commit[:12]} cannot be looked into ({type(problem).__name__}); push another"
            )
            return _invalid(wanted, Unbuildable(reason, text), wanted.user or "unknown")

    def _look(self, objects: Objects, spec: BuildConfigSpec, wanted: NewBuild) -> Prepared:
        commit = objects[ObjectID(wanted.commit.encode())]
        if not isinstance(commit, Commit):
            raise CannotBuild(f"{wanted.commit} is not a commit; push a branch")
        build = replace(
            wanted,
            author=person(commit.author),
            committer=person(commit.committer),
            commit_message=commit.message.decode(errors="replace")[:LONGEST_MESSAGE],
        )
        user = wanted.user or build.author_name
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
            return _invalid(build, problem, user)
        build = replace(
            build, dockerfile=made.dockerfile, buildpack=made.buildpack, content_key=made.content_key
        )
        found = made.found or ("Builds by its Dockerfile",)
        return Prepared(
            build,
            (_first(build, user), push_messages.detected(found[0]), *map(push_messages.detail, found[1:])),
        )


def _first(build: NewBuild, user: str) -> str:
    subject = build.commit_message.strip().split("\n", 1)[0]
    return push_messages.received(build.ref, build.commit, subject, user)


def _invalid(build: NewBuild, problem: Unbuildable, user: str) -> Prepared:
    invalid = Invalid(str(problem.reason), problem.message)
    return Prepared(
        replace(build, invalid=invalid), (_first(build, user), *push_messages.problem_lines(problem.message))
    )


def person(identity: bytes) -> Person:
    """`Name <address>` taken apart."""
    name, _, rest = identity.decode(errors="replace").partition("<")
    return Person(name=name.strip()[:1024], email=rest.partition(">")[0].strip()[:1024])
