"""Init container of a build pod: lays down the exact commit and the Dockerfile that it is built by.

    order.json ─▶ hosted:   archive of the commit from the server, the frozen Dockerfile
               ─▶ external: clone by dulwich, detect, render, content key
               ─▶ /workspace/source, /workspace/Dockerfile, termination message (FetchReport as JSON)

Run as `python -m paas.fetch`; exit code 1 and a report with reason and message when it fails.
"""

from __future__ import annotations

import base64
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
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final

from paas.api.names import Reason
from paas.fetch import request as order
from paas.fetch.extract import Jail, TooLarge, UnsafePath, tell, unpack
from paas.fetch.image_labels import with_provenance
from paas.source.detect import Unbuildable, clean

TERMINATION_LOG: Final = Path("/dev/termination-log")
REPORT_LIMIT: Final = 3500
"""Characters of a report's message: Kubernetes cuts termination messages at 4096 bytes."""
PATIENCE: Final = 300.0
"""Seconds for which a server that does not answer is asked again: it may be restarting."""
PAUSES: Final = (0.5, 1.0, 2.0, 5.0)


class TimeIsUp(Exception):
    """The order's time has passed."""


class Unanswered(Exception):
    """The server did not answer, or not to the end: worth another try."""


def main(
    orders: Path = Path(order.ORDER_FOLDER),
    secrets: Path = Path(order.SECRET_FOLDER),
    workspace: Path = Path(order.WORKSPACE),
    termination_log: Path = TERMINATION_LOG,
) -> int:
    """Carry out the order; the exit code."""
    os.umask(0o022)
    try:
        wanted = order.FetchRequest.from_json((orders / order.ORDER_FILE).read_text())
        signal.signal(signal.SIGALRM, _time_is_up)
        signal.alarm(wanted.seconds)
        report = fetch(wanted, orders=orders, secrets=secrets, workspace=workspace)
    except Unbuildable as problem:
        report = order.FetchReport(reason=problem.reason, message=problem.message)
    except (UnsafePath, TooLarge) as problem:
        report = _failed(f"the source cannot be laid down: {problem}; correct it and push again")
    except TimeIsUp:
        report = _failed(f"fetching the source took longer than {wanted.seconds} s; start another build")
    except (OSError, ValueError) as problem:
        report = _failed(f"the source cannot be laid down: {problem}; see paas doctor")
    finally:
        signal.alarm(0)
    if report.message:
        report = replace(report, message=report.message[:REPORT_LIMIT])
        print(f" !     {report.message}", flush=True)
    termination_log.write_text(report.to_json())
    return 1 if report.reason else 0


def fetch(wanted: order.FetchRequest, *, orders: Path, secrets: Path, workspace: Path) -> order.FetchReport:
    """Lay source and Dockerfile down in `workspace`. Raises Unbuildable, UnsafePath, TooLarge, OSError."""
    source = workspace / order.SOURCE
    if wanted.archive is not None:
        commit = wanted.commit or ""
        _patiently(lambda: _hosted(wanted, orders, source), seconds=PATIENCE)
        dockerfile, key, pack = wanted.dockerfile or "", wanted.content_key, wanted.buildpack
    else:
        # Imported only here: dulwich and the buildpacks would cost every hosted build half a second.
        from paas.fetch.external import lay_down

        laid = lay_down(wanted, orders=orders, secrets=secrets, source=source)
        commit, dockerfile, key, pack = laid.commit, laid.dockerfile, laid.content_key, laid.buildpack
    context = source / clean(wanted.context_dir)
    if not context.resolve().is_relative_to(source.resolve()) or not context.is_dir():
        raise Unbuildable(
            Reason.INVALID_CONTEXT_DIRECTORY,
            f"there is no folder {wanted.context_dir!r} in the source; correct spec.source.contextDir",
        )
    text = with_provenance(
        dockerfile,
        environment={**wanted.environment, "PAAS_BUILD_COMMIT": commit},
        labels={**wanted.labels, "org.opencontainers.image.revision": commit},
    )
    (workspace / order.DOCKERFILE).write_text(text)
    return order.FetchReport(commit=commit, content_key=key, buildpack=pack)


def _hosted(wanted: order.FetchRequest, orders: Path, source: Path) -> None:
    """One try to get the archive of the commit from the server."""
    shutil.rmtree(source, ignore_errors=True)  # of a try that was cut off
    password = (orders / order.PASSWORD_FILE).read_text()
    login = base64.b64encode(f"{wanted.user}:{password}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - the address is the platform's own
        wanted.archive or "", headers={"Authorization": f"Basic {login}"}
    )
    context = ssl.create_default_context(cafile=str(orders / order.CA_FILE))
    try:
        with (
            urllib.request.urlopen(request, context=context, timeout=60) as answer,  # noqa: S310
            Jail(source, size_limit=wanted.size_limit) as jail,
        ):
            unpack(answer, jail)
            tell(wanted.commit or "", jail)
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


def _patiently(attempt: Callable[[], None], *, seconds: float) -> None:
    """Try until it works; Unanswered is endured for `seconds`."""
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
            print(f"       waiting for the server: {problem}", flush=True)
            time.sleep(PAUSES[min(number, len(PAUSES) - 1)])


def _refused(message: str) -> Unbuildable:
    return Unbuildable(Reason.FETCH_SOURCE_FAILED, message)


def _failed(message: str) -> order.FetchReport:
    return order.FetchReport(reason=Reason.FETCH_SOURCE_FAILED, message=message)


def _time_is_up(number: int, frame: FrameType | None) -> None:
    raise TimeIsUp


if __name__ == "__main__":
    sys.exit(main())
