"""`python -m paas.init PROCESS`: process 1 of a container of the platform. It starts the
module of that name, and starts it again when it ends.

A container that ends is started again by the kubelet, but later each time: after a few ends within minutes,
five minutes later. What dies because another part of the cluster was away would stay away for long after that
part has come back. So the container stays, and the process in it is back within seconds. What hangs is killed
with its container, by the liveness probe.

What dies again and again is not cured by that, and a container that never ends looks well to all who ask: so
after some ends in a row the container ends, too. The kubelet counts that, and keeps the end of its log as the
container's termination message.

SIGTERM, SIGINT and SIGHUP are passed on; after the first two, the end of the process is the end of all.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Final

from paas.kube import logs

log = logging.getLogger("paas.init")

PAUSES: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds before the process is started again, after its first end, its second …"""
STEADY_SECONDS: Final = 30.0
"""What ran for so long begins with the first pause again."""
MOST_ENDS: Final = 12
"""Ends in a row, each before the process was steady, after which the container ends; with the pauses about a
minute."""
ENDING: Final = (signal.SIGTERM, signal.SIGINT)


class Init:
    """Runs a command, again and again, until a signal ends it or it ends too often."""

    def __init__(
        self, command: Sequence[str], *, pauses: Sequence[float] = PAUSES, steady: float = STEADY_SECONDS
    ) -> None:
        self._command, self._pauses, self._steady = list(command), pauses, steady
        self._child: int | None = None
        self._stop = threading.Event()

    def run(self) -> int:
        """The exit code of the command's last run; never 0 when that was one too many."""
        for number in (*ENDING, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        ends = 0
        while True:
            began = time.monotonic()
            code = self._run_once()
            if self._stop.is_set():
                return code
            _clear()
            ends = 0 if time.monotonic() - began >= self._steady else ends
            if ends + 1 >= MOST_ENDS:
                log.error(
                    "%s ended with %s, for the %sth time in a row within %s s of its start; "
                    "the lines before this say why. The container ends, and is started again later",
                    *(self._command[-1], _named(code), MOST_ENDS, round(self._steady)),
                )
                return code or 1
            pause = self._pauses[min(ends, len(self._pauses) - 1)]
            ends += 1
            log.error("%s ended with %s and is started again in %s s", self._command[-1], _named(code), pause)
            if self._stop.wait(pause):
                return code

    def _run_once(self) -> int:
        child = os.posix_spawn(self._command[0], self._command, os.environ)
        self._child = child
        if self._stop.is_set():  # a signal came between the last look and now
            os.kill(child, signal.SIGTERM)
        while True:
            ended, status = os.wait()  # as process 1 it is the parent of every orphan
            if ended == child:
                self._child = None
                return os.waitstatus_to_exitcode(status)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if number in ENDING:
            self._stop.set()
        if self._child is not None:
            os.kill(self._child, number)


def _clear() -> None:
    """End what the process left behind, as the end of its container would: a git child of the last server
    must not write beside the next one."""
    if os.getpid() != 1:
        return
    try:
        os.kill(-1, signal.SIGKILL)
        while True:
            os.wait()
    except (ProcessLookupError, ChildProcessError):
        return


def _named(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def main() -> int:
    """Exit code 0 or 1 as that of the process, 128 and a signal's number when it ended by one."""
    logs.to_stderr()
    code = Init([sys.executable, "-m", f"paas.{sys.argv[1]}"]).run()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
