"""Init container of a build pod: fetches the exact commit, and the Dockerfile that it is built by.

    request    ─▶ hosted:   archive of the commit from the server, the frozen Dockerfile
               ─▶ external: clone by dulwich, detect, render, content key
               ─▶ /workspace/source, /workspace/Dockerfile, termination message (FetchReport as JSON)

Run as `python -m paas.fetch`; exit code 1 and a report with reason and message when it fails.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import ssl
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from paas.api.names import Reason
from paas.fetch import request as contract
from paas.fetch import whole
from paas.fetch.context import ignore_file, leave_out, links
from paas.fetch.extract import Extraction, TooLarge, UnsafePath, log_source, unpack
from paas.fetch.image_labels import with_image_labels
from paas.source.dockerfile_platform import ForeignPlatform, with_platform
from paas.source.tree import Unbuildable, clean, shown
from paas.terminal import progress_lines
from paas.web import basic

TERMINATION_LOG: Final = Path("/dev/termination-log")
RETRY_SECONDS: Final = 300.0
"""Seconds for which a server that does not answer is asked again: it may be restarting."""
PAUSES: Final = (0.5, 1.0, 2.0, 5.0)


class FetchTimeout(Exception):
    """Fetching took longer than the request allows."""


class Unanswered(Exception):
    """The server did not answer, or not to the end: worth another try."""


def main(
    inputs: Path = Path(contract.REQUEST_FOLDER),
    secrets: Path = Path(contract.SECRET_FOLDER),
    workspace: Path = Path(contract.WORKSPACE),
    termination_log: Path = TERMINATION_LOG,
) -> int:
    """Carry out the request; returns the exit code."""
    os.umask(0o022)
    try:
        wanted = contract.FetchRequest.from_json((inputs / contract.REQUEST_FILE).read_text())
        signal.signal(signal.SIGALRM, _timed_out)
        signal.alarm(wanted.seconds)
        report = fetch(wanted, inputs=inputs, secrets=secrets, workspace=workspace)
    except Unbuildable as problem:
        report = contract.FetchReport(reason=problem.reason, message=problem.message)
    except (UnsafePath, TooLarge) as problem:
        report = _failed(f"the source cannot be unpacked: {problem}; correct it and push again")
    except FetchTimeout:
        report = _failed(f"fetching the source took longer than {wanted.seconds} s; start another build")
    except (OSError, ValueError) as problem:
        report = _failed(f"the source cannot be written in the build pod: {problem}; see paas doctor")
    finally:
        signal.alarm(0)
    if report.message:
        print(progress_lines.problem(shown(report.message)), flush=True)
    termination_log.write_bytes(report.fitting())
    return 1 if report.reason else 0


def fetch(
    wanted: contract.FetchRequest, *, inputs: Path, secrets: Path, workspace: Path
) -> contract.FetchReport:
    """Put source and Dockerfile into `workspace`. Raises Unbuildable, UnsafePath, TooLarge, OSError."""
    source = workspace / contract.SOURCE
    if wanted.archive is not None:
        commit = wanted.commit or ""
        _with_retries(lambda: _hosted(wanted, inputs, source), seconds=RETRY_SECONDS)
        dockerfile, key, pack = wanted.dockerfile or "", wanted.content_key, wanted.buildpack
    else:
        # Imported only here: dulwich and the buildpacks would cost every hosted build half a second.
        from paas.fetch.external import fetch_external

        external = fetch_external(wanted, inputs=inputs, secrets=secrets, source=source)
        commit, dockerfile, key, pack = (
            external.commit,
            external.dockerfile,
            external.content_key,
            external.buildpack,
        )
    context = source / clean(wanted.context_dir)
    if not context.resolve().is_relative_to(source.resolve()) or not context.is_dir():
        raise Unbuildable(
            Reason.INVALID_CONTEXT_DIRECTORY,
            f"there is no folder {wanted.context_dir!r} in the source; correct spec.source.contextDir",
        )
    try:
        dockerfile = with_platform(dockerfile, os.uname().machine)
    except ForeignPlatform as problem:
        raise Unbuildable(
            Reason.MANAGE_DOCKERFILE_FAILED,
            f"the Dockerfile, {problem}",
            "take --platform out and push again",
        ) from problem
    text = with_image_labels(
        dockerfile,
        environment={**wanted.environment, "PAAS_BUILD_COMMIT": commit},
        labels={**wanted.labels, "org.opencontainers.image.revision": commit},
    )
    (workspace / contract.DOCKERFILE).write_text(text)
    own = f"{clean(wanted.dockerfile_path) or 'Dockerfile'}.dockerignore"
    names = [own] if pack is None and wanted.inline is None else []
    ignore = ignore_file(context, source, *names, ".dockerignore")
    if ignore is not None:
        gone, files = leave_out(context, ignore)
        line = f"{ignore.relative_to(context)} leaves {gone} of {files} files out of the build"
        print(progress_lines.detail(line), flush=True)
    for line in links(context, dockerfile):
        print(progress_lines.problem(shown(line)), flush=True)
    # or the builder would read .dockerignore, by its own rules
    (workspace / f"{contract.DOCKERFILE}.dockerignore").touch()
    return contract.FetchReport(commit=commit, content_key=key, buildpack=pack)


def _hosted(wanted: contract.FetchRequest, inputs: Path, source: Path) -> None:
    """One try to get the archive of the commit from the server."""
    shutil.rmtree(source, ignore_errors=True)  # what an earlier try left
    password = (inputs / contract.PASSWORD_FILE).read_text()
    request = urllib.request.Request(  # noqa: S310 - the address is the platform's own
        wanted.archive or "", headers={"Authorization": basic.encoded(wanted.user or "", password)}
    )
    context = ssl.create_default_context(cafile=str(inputs / contract.CA_FILE))
    try:
        with (
            urllib.request.urlopen(request, context=context, timeout=60) as answer,  # noqa: S310
            Extraction(source, size_limit=wanted.size_limit) as extraction,
        ):
            unpack(answer, extraction)
            log_source(wanted.commit or "", extraction)
            for line in whole.check(
                empty=extraction.empty,
                pointers=extraction.pointers,
                context_dir=clean(wanted.context_dir),
            ):
                print(progress_lines.detail(line), flush=True)
    except urllib.error.HTTPError as problem:
        text = problem.read(500).decode(errors="replace").strip()
        if problem.code >= 500 or problem.code == 429:
            raise Unanswered(f"the server answers {problem.code} {text}") from problem
        raise _refused(
            f"the server refuses the source of this build ({problem.code} {text}); start another build"
        ) from problem
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        tarfile.TarError,
        TimeoutError,
        ConnectionError,
    ) as problem:
        raise Unanswered(str(problem)) from problem


def _with_retries(attempt: Callable[[], None], *, seconds: float) -> None:
    """Try until it works; Unanswered is tried again for `seconds`."""
    deadline = time.monotonic() + seconds
    for number in range(10**6):
        try:
            return attempt()
        except Unanswered as problem:
            if time.monotonic() > deadline:
                raise _refused(
                    f"the platform's server did not hand out the source: {problem}; see paas doctor, then "
                    "start another build"
                ) from problem
            print(progress_lines.detail(f"waiting for the server: {problem}"), flush=True)
            time.sleep(PAUSES[min(number, len(PAUSES) - 1)])


def _refused(message: str) -> Unbuildable:
    return Unbuildable(Reason.FETCH_SOURCE_FAILED, message)


def _failed(message: str) -> contract.FetchReport:
    return contract.FetchReport(reason=Reason.FETCH_SOURCE_FAILED, message=message)


def _timed_out(number: int, frame: FrameType | None) -> None:
    raise FetchTimeout


if __name__ == "__main__":
    sys.exit(main())
