"""Running git: argv lists, a closed environment, limits on what a child may use.

No user's or system's configuration reaches a child, hooks do not exist, and nothing that a client
chose becomes an argument but object ids. Configuration goes by the environment, so that it holds for
the processes that git starts itself (index-pack, unpack-objects, rev-list). A child works in the folder of
its repository and knows it as `.`, so that its words do not name where repositories are kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from paas.git import memory
from paas.git.lane import Lane

log = logging.getLogger(__name__)

HARMLESS: Final = (
    "badDate", "badDateOverflow", "badEmail", "badFilemode", "badName", "badTimezone", "missingAuthor",
    "missingCommitter", "missingEmail", "missingNameBeforeEmail", "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail", "multipleAuthors", "nulInCommit", "zeroPaddedDate", "zeroPaddedFilemode",
)  # fmt: skip
"""What git's check finds in real histories, old ones and those made by other programs, and git itself works
with: who wrote a commit and when, and how a mode is written. Files and paths are not among it."""
STORE_CONFIG: Final[Mapping[str, str]] = {
    "safe.directory": "*",  # a volume's owner is not always ours
    "core.hooksPath": "/dev/null",
    "core.logAllRefUpdates": "always",  # the reflog is the outbox of pushes
    # reflogs and folders are not among what git can flush: `durable` does
    "core.fsync": "objects,derived-metadata,reference",
    "core.fsyncMethod": "batch",
    "core.bigFileThreshold": "16m",  # larger blobs are streamed, never held in memory
    "core.packedGitLimit": "256m",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "pack.threads": "2",
    "transfer.hideRefs": "refs/paas",
    "receive.autogc": "false",
    "receive.denyDeleteCurrent": "ignore",
    "receive.fsckObjects": "true",
    **{f"receive.fsck.{flaw}": "ignore" for flaw in HARMLESS},
    "protocol.allow": "never",  # a child of ours never connects to anything
    "tar.umask": "0022",
}
HERE: Final = "."
"""A repository, to the child that works in it."""
CHILD_CPU: Final = 900
"""Seconds."""
_commands: Final = Lane(memory.COMMANDS, most_of_one=memory.COMMANDS, line=10_000)
"""For short commands. One request runs one after the other, so what asks bounds how many wait."""


class GitFailed(Exception):
    """A git child did not do what it was to do; `stderr` is its own account."""

    def __init__(self, argv: Sequence[str], code: int | None, stderr: str) -> None:
        super().__init__(f"git {argv[0]} ended with {code}: {stderr.strip()[-500:]}")
        self.code, self.stderr = code, stderr


def environment(config: Mapping[str, str], extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a git child."""
    settings = {**STORE_CONFIG, **config}
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_CONFIG_COUNT": str(len(settings)),
        # a write to a ref that names nobody is the platform's own
        "GIT_COMMITTER_NAME": "paas",
        "GIT_COMMITTER_EMAIL": "paas",
    }
    for number, (key, value) in enumerate(settings.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env | dict(extra or {})


async def start(
    argv: Sequence[str],
    *,
    limit: int,
    repository: Path | None = None,
    config: Mapping[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
) -> asyncio.subprocess.Process:
    """`git *argv` in the folder of a repository, with all three streams piped. `limit` is what it and each
    process that it starts may have of writable memory, in bytes; it is in force before the child gets its
    first byte of input, and so is a limit of CPU time."""
    log.debug("git %s", list(argv))
    child = await asyncio.create_subprocess_exec(
        "git",
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(config or {}, extra),
        cwd=repository or "/",
        limit=2**18,
        start_new_session=True,  # a Ctrl-C at the server's terminal is not for the child
    )
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(child.pid, resource.RLIMIT_DATA, (limit, limit))
        resource.prlimit(child.pid, resource.RLIMIT_CPU, (CHILD_CPU, CHILD_CPU + 10))
    return child


async def run(
    argv: Sequence[str],
    *,
    repository: Path | None = None,
    input: bytes = b"",
    config: Mapping[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> bytes:
    """Standard output of a short git command. Raises GitFailed, TimeoutError."""
    with _commands.asked("", memory.COMMAND) as place:
        if not await place.wait(seconds=timeout):
            raise TimeoutError
        return await _run(argv, repository, input, config, extra, timeout)


async def _run(
    argv: Sequence[str],
    repository: Path | None,
    input: bytes,
    config: Mapping[str, str] | None,
    extra: Mapping[str, str] | None,
    timeout: float,
) -> bytes:
    child = await start(argv, limit=memory.COMMAND, repository=repository, config=config, extra=extra)
    try:
        async with asyncio.timeout(timeout):
            out, err = await child.communicate(input)
    except BaseException:
        await stop(child)
        raise
    if child.returncode != 0:
        raise GitFailed(argv, child.returncode, err.decode(errors="replace"))
    return out


async def tail(stream: asyncio.StreamReader) -> str:
    """The end of what a child says on its standard error, read while it runs so that it never blocks."""
    kept = b""
    while data := await stream.read(2**14):
        kept = (kept + data)[-4096:]
    return kept.decode(errors="replace").strip()


async def stop(child: asyncio.subprocess.Process) -> None:
    """End a child that is not needed any more, with the processes it started."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, 15)
        try:
            async with asyncio.timeout(5):
                await child.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, 9)
            await child.wait()
