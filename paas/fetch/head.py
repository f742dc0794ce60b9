"""Where a branch of an external repository is now: `python -m paas.fetch.head`, a child of front or server.

    HeadRequest as JSON on stdin ─▶ ls-remote through checked connections ─▶ HeadReport as JSON on stdout

It is a process of its own because the answer comes from a host that a user chose: its time, its memory and
its processor time end with the child's limits.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from dulwich.client import HTTPUnauthorized, Urllib3HttpGitClient
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository
from urllib3.exceptions import HTTPError

from paas.fetch import egress
from paas.fetch.refs import candidates, meant
from paas.fetch.request import Document

LONGEST_REQUEST = 2**20


@dataclass(frozen=True)
class HeadRequest(Document):
    """Which branch (or tag) of which repository; `ref` None is the branch that its HEAD names. `ca` are
    authorities in PEM, besides the system's."""

    uri: str
    ref: str | None = None
    username: str | None = None
    password: str | None = None
    ca: str = ""
    allowed_addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeadReport(Document):
    """Branch and commit; or, in `problem`, why they are not known."""

    ref: str | None = None
    commit: str | None = None
    problem: str | None = None


def ask(wanted: HeadRequest, pool: urllib3.PoolManager) -> HeadReport:
    """Ask the host. Raises what dulwich and urllib3 raise."""
    parts = urlsplit(wanted.uri)
    client = Urllib3HttpGitClient(
        f"https://{parts.netloc}", pool_manager=pool, username=wanted.username, password=wanted.password
    )
    names = candidates(wanted.ref)
    # a host that knows protocol 2 sends only these, others send all they have
    found = client.get_refs(parts.path, protocol_version=2, ref_prefix=names)
    refs = {bytes(name): bytes(sha) for name, sha in found.refs.items() if sha is not None}
    symrefs = {bytes(name): bytes(target) for name, target in (found.symrefs or {}).items()}
    return head_of(wanted, refs, symrefs)


def head_of(wanted: HeadRequest, refs: Mapping[bytes, bytes], symrefs: Mapping[bytes, bytes]) -> HeadReport:
    """What the refs of a repository say about the wanted one."""
    name = meant(wanted.ref, refs)
    if name is not None:
        named = symrefs.get(name, name) if wanted.ref is None else name
        ref = named.decode(errors="replace").removesuffix("^{}")
        return HeadReport(ref.removeprefix("refs/heads/"), refs[name].decode())
    what = f"branch {wanted.ref}" if wanted.ref else "HEAD"
    return HeadReport(problem=f"{wanted.uri} has no {what}")


def report(text: str) -> HeadReport:
    """The answer to a request."""
    wanted = HeadRequest.from_json(text)
    host = urlsplit(wanted.uri).hostname
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "ca.crt"
            file.write_text(wanted.ca)
            files = [str(file)] if wanted.ca.strip() else []
            pool = egress.pool(wanted.uri, allowed=wanted.allowed_addresses, ca_files=files)
            return ask(wanted, pool)
    except egress.Forbidden as problem:
        return HeadReport(problem=str(problem))
    except HTTPUnauthorized:
        return HeadReport(problem=f"{host} wants a login: put one into a Secret, and name it in sourceSecret")
    except NotGitRepository:
        return HeadReport(problem=f"there is no git repository at {wanted.uri}")
    except (GitProtocolError, HangupException, HTTPError, OSError, ValueError, MemoryError) as problem:
        return HeadReport(problem=f"{host} cannot be asked: {str(problem)[:300] or type(problem).__name__}")


if __name__ == "__main__":
    sys.stdout.write(report(sys.stdin.read(LONGEST_REQUEST)).to_json())
