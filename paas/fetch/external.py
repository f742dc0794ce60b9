"""Fetching one commit of a repository elsewhere, by dulwich: no git, no hooks, no configuration.

The exact commit is asked for without its history; a server that does not hand out commits that are no tip
is asked for the whole branch, then for everything, and the commit is looked for in that.
"""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import urllib3
from dulwich.client import HTTPUnauthorized, Urllib3HttpGitClient
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository, ObjectFormatException
from dulwich.objects import Blob, Commit, ObjectID, Tag, Tree
from dulwich.refs import Ref
from dulwich.repo import Repo
from urllib3.exceptions import HTTPError

from paas.api.names import Reason
from paas.fetch import egress, whole
from paas.fetch.extract import Extraction, log_source
from paas.fetch.refs import meant
from paas.fetch.request import CA_FILE, FetchRequest
from paas.source import buildpacks
from paas.source.buildpack import Buildpack
from paas.source.prepare import prepare
from paas.source.tree import Unbuildable, clean
from paas.source.trees import GitTree
from paas.terminal.progress_lines import detail

Refs = Mapping[Ref, ObjectID]
_Kind = TypeVar("_Kind", Blob, Tree)
_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Checkout:
    """What was fetched: the commit and the tree, as hex, and the repository that holds them."""

    commit: str
    tree: str
    repository: Repo


def fetch(
    uri: str,
    *,
    commit: str | None,
    ref: str | None,
    scratch: Path,
    pool: urllib3.PoolManager,
    username: str | None = None,
    password: str | None = None,
) -> Checkout:
    """Fetch `commit`, or without one the head of `ref` (branch, tag, commit; None: HEAD), into a bare
    repository in `scratch`. Raises Unbuildable."""
    parts = urlsplit(uri)
    client = Urllib3HttpGitClient(
        f"https://{parts.netloc}", pool_manager=pool, thin_packs=False, username=username, password=password
    )
    repository = Repo.init_bare(str(scratch), mkdir=True)
    wanted: list[ObjectID] = []

    def attempt(choose: Callable[[Refs], list[ObjectID]], depth: int | None) -> bool:
        def determine(refs: Refs, depth: int | None = None) -> list[ObjectID]:
            wanted[:] = choose({name: sha for name, sha in refs.items() if sha is not None})
            return [sha for sha in wanted if sha not in repository.object_store]

        client.fetch(parts.path, repository, determine_wants=determine, depth=depth)
        return True

    def exact(refs: Refs) -> list[ObjectID]:
        return [ObjectID(commit.encode())] if commit else [_resolve(refs, ref, uri)]

    try:
        try:
            attempt(exact, 1)
        except (GitProtocolError, HangupException, AssertionError, KeyError):
            if commit is None:
                raise
            # This server only hands out tips: take the history and look for the commit in it.
            attempt(lambda refs: _tips(refs, ref), None)
            if ObjectID(commit.encode()) not in repository.object_store:
                attempt(lambda refs: _tips(refs, None), None)
    except Unbuildable:
        raise
    except egress.Forbidden as problem:
        raise failed(str(problem)) from problem
    except HTTPUnauthorized as problem:
        raise failed(
            f"{parts.hostname} wants a login for {uri}; put username and password (or a token as the "
            "password) into a Secret and name it in spec.source.sourceSecret"
        ) from problem
    except NotGitRepository as problem:
        raise failed(f"there is no git repository at {uri}; correct spec.source.git.uri") from problem
    except ObjectFormatException as problem:
        raise failed(
            f"{uri} cannot be fetched: one of its objects is not well-formed ({problem}). "
            "git fsck names it; a new commit on top of it is fetched without what is below"
        ) from problem
    except (GitProtocolError, HangupException, HTTPError, OSError, ValueError) as problem:
        forbidden = _cause(problem, egress.Forbidden)
        raise failed(
            str(forbidden) if forbidden else f"{uri} cannot be fetched: {_short(problem)}"
        ) from problem
    except Exception as problem:
        # whatever a host sends, the build ends with a reason and never with a trace
        raise failed(
            f"{uri} cannot be fetched: what the host sends is not understood "
            f"({type(problem).__name__}: {_short(problem)}); see whether git clone works"
        ) from problem
    found = _commit(repository, ObjectID(commit.encode()) if commit else wanted[0])
    if found is None:
        raise failed(f"{uri} has no commit {commit or ref}; push it there, or start a build of another one")
    return Checkout(found.id.decode(), found.tree.decode(), repository)


@dataclass(frozen=True)
class ExternalSource:
    """An external source that was fetched, and what it is built by."""

    commit: str
    dockerfile: str
    content_key: str
    buildpack: str | None


def fetch_external(wanted: FetchRequest, *, inputs: Path, secrets: Path, source: Path) -> ExternalSource:
    """Fetch an external source into the folder `source` and prepare it. `inputs` and `secrets` hold the
    authorities and the login. Raises Unbuildable, UnsafePath, TooLarge, OSError."""
    uri = wanted.uri or ""
    try:
        authorities = [folder / CA_FILE for folder in (inputs, secrets)]
        found = [str(path) for path in authorities if path.is_file() and path.stat().st_size]
        pool = egress.pool(uri, allowed=wanted.allowed_addresses, ca_files=found)
    except egress.Forbidden as problem:
        raise failed(f"{problem}; correct spec.source.git.uri") from problem
    with tempfile.TemporaryDirectory() as scratch:
        checkout = fetch(
            uri,
            commit=wanted.commit,
            ref=wanted.ref,
            scratch=Path(scratch) / "repository",
            pool=pool,
            username=_entry(secrets, "username"),
            password=_entry(secrets, "password"),
        )
        with Extraction(source, size_limit=wanted.size_limit) as extraction:
            write(checkout, extraction)
            log_source(checkout.commit, extraction)
            for line in whole.check(
                empty=extraction.empty,
                pointers=extraction.pointers,
                context_dir=clean(wanted.context_dir),
            ):
                print(detail(line), flush=True)
        prepared = prepare(
            GitTree(checkout.repository.object_store, checkout.tree),
            _packs(),
            runtime_registry=wanted.runtime_registry,
            context_dir=wanted.context_dir,
            dockerfile_path=wanted.dockerfile_path,
            inline=wanted.inline,
            build_args=wanted.build_args,
        )
        checkout.repository.close()
    for line in prepared.found:
        print(detail(line), flush=True)
    return ExternalSource(checkout.commit, prepared.dockerfile, prepared.content_key, prepared.buildpack)


def _packs() -> tuple[Buildpack, ...]:
    try:
        return buildpacks.load()
    except buildpacks.BadBuildpack as problem:
        raise failed(f"the platform's buildpacks cannot be read: {problem}; see paas doctor") from problem


def _entry(folder: Path, name: str) -> str | None:
    path = folder / name
    return path.read_text().strip() if path.is_file() else None


def failed(message: str) -> Unbuildable:
    return Unbuildable(Reason.FETCH_SOURCE_FAILED, message)


def write(checkout: Checkout, extraction: Extraction) -> None:
    """Write the files of a checkout. A submodule becomes an empty folder, as git leaves it too.

    Raises Unbuildable, UnsafePath and TooLarge.
    """

    def walk(tree: ObjectID, folder: str) -> None:
        listed = _object(checkout, tree, Tree, folder)
        for raw, mode, sha in listed.iteritems():
            path = f"{folder}{raw.decode('utf-8', 'surrogateescape')}"
            if stat.S_ISDIR(mode):
                extraction.folder(path)
                walk(sha, f"{path}/")
            elif stat.S_IFMT(mode) == 0o160000:
                extraction.folder(path)
            else:
                data = _object(checkout, sha, Blob, path).as_raw_string()
                if stat.S_ISLNK(mode):
                    extraction.link(path, data.decode("utf-8", "surrogateescape"))
                else:
                    extraction.file(path, BytesIO(data), executable=bool(mode & 0o100))

    walk(ObjectID(checkout.tree.encode()), "")


def _object(checkout: Checkout, sha: ObjectID, kind: type[_Kind], path: str) -> _Kind:
    store = checkout.repository.object_store
    found = store[sha] if sha in store else None  # noqa: SIM401 - it has no get
    if not isinstance(found, kind):
        what = f"{path or 'its root'} is not the {kind.type_name.decode()} that its folder names"
        raise failed(f"commit {checkout.commit[:12]} is damaged: {what}; git fsck says more of it")
    return found


def _resolve(refs: Refs, ref: str | None, uri: str) -> ObjectID:
    """The object that a branch, tag or HEAD of the remote names."""
    there = {name: sha for name, sha in refs.items() if sha is not None}
    name = meant(ref, there)
    if name is not None:
        return there[Ref(name)]
    if ref and len(ref) in (40, 64) and set(ref) <= _HEX:
        return ObjectID(ref.encode())
    if not refs:
        raise failed(f"{uri} is empty: it has no commit yet; push one there, then start another build")
    what = f"branch or tag {ref!r}" if ref else "HEAD"
    raise failed(f"{uri} has no {what}; correct spec.source.git.ref")


def _tips(refs: Refs, ref: str | None) -> list[ObjectID]:
    named = {f"refs/heads/{ref}".encode(), f"refs/tags/{ref}".encode()} if ref else set()
    chosen = [sha for name, sha in refs.items() if name in named]
    heads = [sha for name, sha in refs.items() if name.startswith((b"refs/heads/", b"refs/tags/"))]
    return list(dict.fromkeys(chosen or heads))


def _commit(repository: Repo, sha: ObjectID) -> Commit | None:
    for _ in range(10):
        try:
            found = repository.object_store[sha]
        except KeyError:
            return None
        if isinstance(found, Commit):
            return found
        if not isinstance(found, Tag):
            return None
        sha = found.object[1]
    return None


def _cause(problem: BaseException, kind: type[BaseException]) -> BaseException | None:
    seen: BaseException | None = problem
    while seen is not None:
        if isinstance(seen, kind):
            return seen
        seen = getattr(seen, "reason", None) if isinstance(
            getattr(seen, "reason", None), BaseException
        ) else (seen.__cause__ or seen.__context__)  # fmt: skip
    return None


def _short(problem: BaseException) -> str:
    """What went wrong, without the connection pool's own words around it."""
    told = _cause(problem, egress.Unreachable) or problem
    return (str(told) or type(told).__name__)[:400]
