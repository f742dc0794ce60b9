"""Lines of a build's log as people read them: without Kaniko's own dressing, and cut to what matters."""

from __future__ import annotations

import json
import re
from typing import Final

from paas.kube.body import as_unicode

SNIPPET_LINES: Final = 12
SNIPPET_WIDTH: Final = 120
"""Longer lines of a snippet are elided in the middle."""

_TEXT: Final = re.compile(r'^time="[^"]*" level=(\w+) msg=(?:"((?:[^"\\]|\\.)*)"|(\S+))')
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LEVEL: Final = re.compile(r"^(?:INFO|WARN|ERRO|FATA|DEBU|TRAC)\w*\[\d+\]\s*")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def readable(line: str) -> str:
    """One line of Kaniko's log without time, level, colours and control characters."""
    line = _COLOUR.sub("", line.rstrip("\r\n"))
    match = _TEXT.match(line)
    if match is not None:
        level, quoted, plain = match.groups()
        text = plain if quoted is None else _unquoted(quoted)
        line = text if level in ("info", "debug") else f"{level}: {text}"
    else:
        line = _LEVEL.sub("", line)
    return "".join(char for char in line if char == "\t" or char.isprintable())


def snippet(log: str | None) -> str | None:
    """The last lines of a log, for `status.logSnippet`; None when there are none."""
    lines = [text for text in (readable(line) for line in (log or "").splitlines()) if text.strip()]
    kept = [_elided(line) for line in lines[-SNIPPET_LINES:] if not _DIGEST.fullmatch(line)]
    return "\n".join(kept) or None


def last_instruction(log: str) -> str | None:
    """The Dockerfile instruction that was carried out last, as Kaniko logs it."""
    found = None
    for line in log.splitlines():
        text = _informed(line)
        if re.match(r"(RUN|COPY|ADD|WORKDIR|USER|ENV|ONBUILD|SHELL|VOLUME|EXPOSE|CMD|ENTRYPOINT) ", text):
            found = text
    return _elided(found) if found else None


def base_image(log: str) -> str | None:
    """The image that Kaniko asked a registry for last."""
    found = None
    for line in log.splitlines():
        match = re.match(r"Retrieving image manifest (\S+)", _informed(line))
        if match is not None:
            found = match.group(1)
    return found


def _informed(line: str) -> str:
    """What Kaniko itself logged in a line; '' in one that a step printed. A step may print without a line
    end, so that Kaniko's part begins amid the line."""
    start = line.rfind('time="')
    match = _TEXT.match(line[start:]) if start >= 0 else None
    return readable(line[start:]) if match is not None and match[1] == "info" else ""


def _unquoted(text: str) -> str:
    try:
        return str(as_unicode(json.loads(f'"{text}"')))
    except ValueError:  # Go quotes some characters as JSON does not
        return text.replace('\\"', '"').replace("\\n", " ").replace("\\\\", "\\")


def _elided(line: str) -> str:
    if len(line) <= SNIPPET_WIDTH:
        return line
    half = (SNIPPET_WIDTH - 3) // 2
    return f"{line[:half]}...{line[-half:]}"
