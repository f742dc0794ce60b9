"""Asks git hosts where a branch is: `fetch.head` in a child process with limits, a few at a time."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import os
import resource
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from weakref import WeakValueDictionary

from paas.api.resources import Key, Manifest
from paas.fetch.head import HeadReport, HeadRequest
from paas.git.push import FindConfig

log = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 8.0
"""A git host waits about ten for the answer to its delivery."""
BUSY: Final = "too many git hosts are asked at the moment, so this one was not"
SILENT: Final = f"no answer from the git host within {ANSWER_SECONDS:.0f} seconds"
MOST_AT_ONCE: Final = 3
LARGEST_ANSWER: Final = 2**16
CHILD_MEMORY: Final = 192 * 2**20
"""Bytes; all children together fit into the pod beside what it needs itself."""
CHILD_CPU: Final = 20

AskHead = Callable[[Manifest, str | None], Awaitable[HeadReport]]
"""(BuildConfig, branch; None: the one that the repository's HEAD names) -> where it is. Raises what the
cluster raises."""


class Heads:
    """Asks hosts as builds do: with the BuildConfig's login, at permitted addresses. Who asks waits for its
    turn for `patience` seconds at most, beside those of the answer."""

    def __init__(
        self,
        *,
        find_secret: FindConfig,
        authority: str,
        allowed_addresses: tuple[str, ...],
        patience: float = 0.0,
    ) -> None:
        self._find_secret, self._patience = find_secret, patience
        self._authority, self._allowed = authority, allowed_addresses
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._of_project: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def __call__(self, config: Manifest, ref: str | None) -> HeadReport:
        source = config["spec"].get("source") or {}
        name = (source.get("sourceSecret") or {}).get("name")
        secret = await self._find_secret(Key(config["metadata"]["namespace"], name)) if name else None
        data = (secret or {}).get("data") or {}
        wanted = HeadRequest(
            uri=str((source.get("git") or {}).get("uri") or ""),
            ref=ref,
            username=_entry(data, "username"),
            password=_entry(data, "password"),
            ca=f"{self._authority}\n{_entry(data, 'ca.crt') or ''}",
            allowed_addresses=self._allowed,
        )
        # one of a project at a time, so that one with a silent host does not hold up the others
        turn = self._of_project.setdefault(config["metadata"]["namespace"], asyncio.Semaphore(1))
        problem = BUSY
        try:
            async with asyncio.timeout(self._patience + ANSWER_SECONDS), turn, self._slots:
                problem = SILENT
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await _ask(wanted)
        except TimeoutError:
            return HeadReport(problem=problem)


async def _ask(wanted: HeadRequest) -> HeadReport:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "paas.fetch.head",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # nothing of the server's own: no credential, no settings
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH", "TMPDIR") if name in os.environ},
        start_new_session=True,
    )
    try:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(child.pid, resource.RLIMIT_DATA, (CHILD_MEMORY, CHILD_MEMORY))
            resource.prlimit(child.pid, resource.RLIMIT_CPU, (CHILD_CPU, CHILD_CPU))
        answer, _ = await child.communicate(wanted.to_json().encode())
        return HeadReport.from_json(answer[:LARGEST_ANSWER].decode(errors="replace"))
    except (ValueError, TypeError):
        return HeadReport(problem="the git host's answer takes more memory or time than it may")
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def _entry(data: Mapping[str, Any], name: str) -> str | None:
    try:
        return base64.b64decode(data[name], validate=True).decode().strip()
    except (KeyError, TypeError, ValueError):
        return None
