"""A Dockerfile as its instructions, by the reference: what is in which line. Pure.

Parser directives (`# escape=`), continued lines with comments and empty lines among them, flags and
here-documents are understood. What is no instruction is kept as it is: the builder says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_DIRECTIVE: Final = re.compile(r"\s*#\s*([A-Za-z][A-Za-z0-9]*)\s*=(.+)")
_HEREDOC: Final = re.compile(r"\d*<<(-?)\s*([^<\s]+)")
_MAY_HOLD: Final = ("ADD", "COPY", "RUN")
_VARIABLE: Final = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::?([-+])([^${}]{0,256}))?\}|([A-Za-z_]\w*))")
_UNKNOWN: Final = "\0"
"""Stands for the value of a variable that only the base image may have, or that is too long."""
_LONGEST_VALUE: Final = 4096
"""Characters: each line can make a value ten times as long as the one before."""


@dataclass(frozen=True)
class Instruction:
    """`line` counts from 1; `keyword` is in capitals; `flags` are as written, such as '--from=made';
    `heredocs` are the words that end them."""

    line: int
    keyword: str
    flags: tuple[str, ...]
    arguments: str
    heredocs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dockerfile:
    """The instructions, in order; `escape` is the character that continues a line."""

    instructions: tuple[Instruction, ...]
    escape: str = "\\"


def parse(text: str) -> Dockerfile:
    """Read a Dockerfile. Nothing is an error."""
    lines = text.removeprefix("\ufeff").splitlines()
    escape = _escape(lines)
    return Dockerfile(tuple(_instructions(lines, escape)), escape)


def exposed(dockerfile: Dockerfile) -> tuple[frozenset[int], tuple[int, ...]]:
    """The TCP ports of the last stage and of the stages that it starts from, with ARG and ENV filled in; and
    the lines of EXPOSE that cannot be told from the file alone."""
    ports: set[int] = set()
    unclear: list[int] = []
    environment: dict[str, str] = {}
    for stage in _ancestry(_stages(dockerfile)):
        known = dict(environment)  # of an earlier stage the ENVs stay, the ARGs do not
        for each in stage.instructions:
            if each.keyword == "ENV":
                given = _assigned(each, known, dockerfile.escape, {})
                environment |= given
                known |= given
            elif each.keyword == "ARG":
                given = _assigned(each, known, dockerfile.escape, stage.arguments)
                # an ENV beats an ARG of its name
                known |= {name: value for name, value in given.items() if name not in environment}
            elif each.keyword == "EXPOSE":
                found = _ports(expanded(each.arguments, known, dockerfile.escape))
                if found is None:
                    unclear.append(each.line)
                else:
                    ports |= found
    return frozenset(ports), tuple(unclear)


def only_port(ports: Collection[int], unclear: Collection[int]) -> int | None:
    """The port of what `exposed` found, when there is exactly one."""
    return next(iter(ports)) if len(ports) == 1 and not unclear else None


def expanded(text: str, known: Mapping[str, str], escape: str = "\\") -> str:
    """`text` with its variables filled in, as ENV and EXPOSE have it; unknown when that is too long."""
    room = _LONGEST_VALUE

    def value(match: re.Match[str]) -> str:
        nonlocal room
        name = match[1] or match[4]
        found = known.get(name)
        if match[2] == "-":
            found = found or match[3]
        elif match[2] == "+":
            found = match[3] if found else ""
        found = _UNKNOWN if found is None else found
        room -= len(found)
        return found if room >= 0 else ""

    made = "".join(
        part[1:] if part.startswith(escape) else _VARIABLE.sub(value, part)
        for part in re.split(rf"({re.escape(escape)}.)", text)
    )
    return made if room >= 0 and len(made) <= _LONGEST_VALUE else _UNKNOWN


@dataclass
class _Stage:
    base: str
    name: str
    arguments: Mapping[str, str]
    """ARGs before the first FROM, which an ARG without a value brings in."""
    instructions: list[Instruction]


def _stages(dockerfile: Dockerfile) -> list[_Stage]:
    stages: list[_Stage] = []
    arguments: dict[str, str] = {}
    for each in dockerfile.instructions:
        if each.keyword == "FROM":
            words = [*each.arguments.split(), "", "", ""]
            name = words[2].lower() if words[1].lower() == "as" else ""
            stages.append(_Stage(words[0].lower(), name, arguments, []))
        elif stages:
            stages[-1].instructions.append(each)
        elif each.keyword == "ARG":
            arguments |= _assigned(each, arguments, dockerfile.escape, {})
        else:
            stages.append(_Stage("", "", arguments, [each]))  # the builder says that FROM is missing
    return stages


def _ancestry(stages: list[_Stage]) -> list[_Stage]:
    """The last stage, and before it each that it starts from."""
    if not stages:
        return []
    named: dict[str, int] = {}
    bases: list[int | None] = []
    for index, stage in enumerate(stages):
        bases.append(named.get(stage.base))
        if stage.name:
            named[stage.name] = index
    chain, base = [stages[-1]], bases[-1]
    while base is not None:
        chain.append(stages[base])
        base = bases[base]
    return chain[::-1]


def _assigned(
    each: Instruction, known: Mapping[str, str], escape: str, arguments: Mapping[str, str]
) -> dict[str, str]:
    """What an ENV or ARG sets; `arguments` are those before the first FROM."""
    words = _words(each.arguments, escape)
    if each.keyword == "ENV" and words and "=" not in words[0]:
        name, _, rest = each.arguments.strip().partition(" ")
        return {name: expanded(rest.strip(), known, escape)}
    found = {}
    for word in words:
        name, given, value = word.partition("=")
        if given:
            found[name] = expanded(value, known, escape)
        elif each.keyword == "ARG" and name in arguments:
            found[name] = arguments[name]
    return found


def _ports(text: str) -> set[int] | None:
    ports: set[int] = set()
    for word in text.split():
        match = re.fullmatch(
            r"['\"]?([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp))?['\"]?", word, re.IGNORECASE
        )
        if match is None:
            return None
        first, last = int(match[1]), int(match[2] or match[1])
        if not 0 < first <= last < 65536:
            return None
        if (match[3] or "tcp").lower() == "tcp":
            ports |= set(range(first, last + 1)) if last - first < 100 else {first, last}
    return ports


def _instructions(lines: list[str], escape: str) -> Iterator[Instruction]:
    continued = re.compile(rf"(?:^|(?<!{re.escape(escape)})){re.escape(escape)}[ \t]*$")
    waiting = list(enumerate(lines, start=1))[::-1]
    while waiting:
        number, line = waiting.pop()
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        whole, more = _cut(line, continued)
        while more and waiting:
            _, line = waiting.pop()
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            part, more = _cut(line, continued)
            whole += part
        keyword, flags, arguments = _taken_apart(whole)
        inner = keyword
        if keyword == "ONBUILD":
            inner, flags, arguments = _taken_apart(arguments)
        ends = _heredocs(arguments, escape) if inner in _MAY_HOLD else ()
        for tabs, end in ends:
            while waiting:
                _, line = waiting.pop()
                if (line.lstrip("\t") if tabs else line).rstrip("\r") == end:
                    break
        yield Instruction(number, inner, flags, arguments, tuple(end for _, end in ends))


def _cut(line: str, continued: re.Pattern[str]) -> tuple[str, bool]:
    match = continued.search(line)
    return (line[: match.start()], True) if match is not None else (line, False)


def _taken_apart(text: str) -> tuple[str, tuple[str, ...], str]:
    keyword, _, rest = text.strip().replace("\t", " ").partition(" ")
    flags = []
    rest = rest.strip()
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        flags.append(flag)
        rest = rest.strip()
        if flag == "--":
            break
    return keyword.upper(), tuple(flags), rest


def _heredocs(arguments: str, escape: str) -> tuple[tuple[bool, str], ...]:
    """Whether leading tabs are cut, and the word that ends it, of each here-document."""
    found = []
    for word in _words(arguments, escape, raw=True):
        match = _HEREDOC.fullmatch(word)
        if match is not None and (end := match[2].replace('"', "").replace("'", "")):
            found.append((bool(match[1]), end))
    return tuple(found)


def _words(text: str, escape: str, *, raw: bool = False) -> list[str]:
    """Words between spaces; quotes keep spaces together. `raw`: quotes and escapes stay."""
    words: list[str] = []
    word, quote, inside = "", "", False
    characters = iter(text)
    for char in characters:
        if char == escape and quote != "'":
            following = next(characters, "")
            # a dollar stays escaped, so that it is not filled in later
            word += char + following if raw or following == "$" else following
            inside = True
        elif quote:
            if char == quote:
                quote = ""
                word += char if raw else ""
            else:
                # what stands in single quotes is not filled in
                word += escape + char if char == "$" and quote == "'" and not raw else char
        elif char in "'\"":
            quote, inside = char, True
            word += char if raw else ""
        elif char.isspace():
            if inside or word:
                words.append(word)
            word, inside = "", False
        else:
            word += char
    return [*words, word] if inside or word else words


def _escape(lines: list[str]) -> str:
    """By the parser directives in the first lines."""
    for line in lines:
        match = _DIRECTIVE.fullmatch(line)
        if match is None:
            break
        if match[1].lower() == "escape":
            return "`" if match[2].strip() == "`" else "\\"
    return "\\"
