"""kubectl's JSONPath templates: `{.metadata.name}{"\\n"}`, `{range .items[*]}…{end}`, and bare paths.

It is a dialect of its own (text outside of braces, range, escaped dots, filters without `&&`), which the
JSONPath libraries do not read. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final


class BadTemplate(ValueError):
    """The template cannot be read; the text says what and where."""


@dataclass(frozen=True)
class Path:
    """Steps from the current object, or (with `$`) from the root."""

    steps: tuple[Step, ...]
    of_root: bool = False

    def values(self, current: Any, root: Any) -> list[Any]:
        """What is there; nothing where a field is missing."""
        found = [root if self.of_root else current]
        for step in self.steps:
            found = [value for each in found for value in step.take(each, root)]
        return found


@dataclass(frozen=True)
class Field:
    name: str

    def take(self, value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, Mapping) and self.name in value:
            yield value[self.name]


@dataclass(frozen=True)
class Every:
    """`*`: all items of a list, all values of an object."""

    def take(self, value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, Mapping):
            yield from value.values()
        elif isinstance(value, list):
            yield from value


@dataclass(frozen=True)
class Below:
    """`..`: the value and everything in it."""

    def take(self, value: Any, root: Any) -> Iterator[Any]:
        yield value
        for each in Every().take(value, root):
            yield from self.take(each, root)


@dataclass(frozen=True)
class Items:
    """`[2]`, `[-1:]`, `[0:4:2]`."""

    part: slice

    def take(self, value: Any, root: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[self.part]


@dataclass(frozen=True)
class AnyOf:
    """`[0,2]`, `['a','b']`."""

    steps: tuple[Step, ...]

    def take(self, value: Any, root: Any) -> Iterator[Any]:
        for step in self.steps:
            yield from step.take(value, root)


@dataclass(frozen=True)
class Where:
    """`[?(@.type=="Ready")]`; without a comparison: where the path leads anywhere."""

    left: Path | Constant
    operator: str | None = None
    right: Path | Constant | None = None

    def take(self, value: Any, root: Any) -> Iterator[Any]:
        for each in Every().take(value, root):
            left = self.left.values(each, root)
            if self.operator is None:
                if left:
                    yield each
            elif self.right is not None:
                right = self.right.values(each, root)
                if left and right and _compare(self.operator, left[0], right[0]):
                    yield each


@dataclass(frozen=True)
class Constant:
    value: Any

    def values(self, current: Any, root: Any) -> list[Any]:
        return [self.value]


Step = Field | Every | Below | Items | AnyOf | Where


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Range:
    over: Path
    body: tuple[Node, ...]


Node = Text | Path | Range

_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _compare(operator: str, left: Any, right: Any) -> bool:
    try:
        return _COMPARE[operator](left, right)
    except TypeError:  # a text and a number have no order
        return False


class Template:
    """A template, read once. Raises BadTemplate. A text without braces is a bare path."""

    def __init__(self, text: str) -> None:
        try:
            self._nodes = tuple(_Reader(text if "{" in text else f"{{{text}}}").nodes())
        except RecursionError:
            raise BadTemplate("the template is nested too deeply") from None

    def render(self, obj: Any) -> str:
        """The text for this object. Raises BadTemplate when the object is nested too deeply for it."""
        try:
            return "".join(_rendered(self._nodes, obj, obj))
        except RecursionError:
            raise BadTemplate("the object is nested too deeply for this template") from None


def path(text: str) -> Path:
    """A bare path, with or without braces around it: `.metadata.name`. Raises BadTemplate."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    if inner[:1] not in ".[$@":
        inner = "." + inner
    reader = _Reader(inner)
    found = reader.path()
    reader.expect_end()
    return found


def text_of(value: Any) -> str:
    """A value as a template prints it: texts and numbers bare, the rest as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _rendered(nodes: Sequence[Node], current: Any, root: Any) -> Iterator[str]:
    for node in nodes:
        match node:
            case Text():
                yield node.text
            case Path():
                yield " ".join(text_of(value) for value in node.values(current, root))
            case Range():
                for each in node.over.values(current, root):
                    yield from _rendered(node.body, each, root)


_NAME = re.compile(r"(?:\\.|[^\s.\[\]{}()=!<>,'\"\\@$*?])+")
_QUOTED = re.compile(r"'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\"")
_SLICE = re.compile(r"(-?\d+)?(:(-?\d+)?)?(:(-?\d+)?)?(?=\s*[\],])")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL)


class _Reader:
    """Reads a template from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def nodes(self) -> list[Node]:
        found, ended = self._nodes_until_end(inside=False)
        assert not ended
        return found

    def _nodes_until_end(self, *, inside: bool) -> tuple[list[Node], bool]:
        """The nodes up to the end of the text, or (inside of a range) up to `{end}`."""
        found: list[Node] = []
        while self._at < len(self._text):
            if not self._take("{"):
                stop = self._text.find("{", self._at)
                stop = len(self._text) if stop < 0 else stop
                found.append(Text(self._text[self._at : stop]))
                self._at = stop
                continue
            self._blanks()
            while not self._take("}"):
                if self._word("end"):
                    if not inside:
                        raise self._bad("{end} without {range}")
                    self._blanks()
                    self._need("}")
                    return found, True
                if self._word("range"):
                    self._blanks()
                    over = self.path()
                    self._blanks()
                    self._need("}")
                    body, ended = self._nodes_until_end(inside=True)
                    if not ended:
                        raise self._bad("{range} without {end}")
                    found.append(Range(over, tuple(body)))
                    break
                if quoted := self._match(_QUOTED):
                    found.append(Text(_unescaped(quoted[1] or quoted[2] or "")))
                else:
                    found.append(self.path())
                self._blanks()
        return found, False

    def path(self) -> Path:
        """One path, up to what cannot belong to it."""
        begin = self._at
        of_root = self._take("$")
        if not of_root:
            self._take("@")
        steps: list[Step] = []
        if self._at == begin and (name := self._match(_NAME)):
            steps.append(Field(_unescaped(name[0])))  # `{metadata.name}`
        while True:
            if self._take(".."):
                steps.append(Below())
                if self._peek("["):
                    continue
            elif self._take("["):
                steps.append(self._bracket())
                continue
            elif not self._take("."):
                break
            if self._take("*"):
                steps.append(Every())
            elif name := self._match(_NAME):
                steps.append(Field(_unescaped(name[0])))
            elif self._at - begin > 1 and not self._peek("["):
                raise self._bad("a field's name is missing")
        if self._at == begin:
            raise self._bad("this is no path")
        return Path(tuple(steps), of_root)

    def expect_end(self) -> None:
        if self._at < len(self._text):
            raise self._bad("this is no path")

    def _bracket(self) -> Step:
        self._blanks()
        if self._take("?"):
            return self._filter()
        choices: list[Step] = []
        while True:
            self._blanks()
            if self._take("*"):
                choices.append(Every())
            elif quoted := self._match(_QUOTED):
                choices.append(Field(_unescaped(quoted[1] or quoted[2] or "")))
            elif (part := self._match(_SLICE)) and part[0]:
                choices.append(Items(_slice(part)))
            else:
                raise self._bad("an index, a name in quotes, * or ?( is missing")
            self._blanks()
            if self._take("]"):
                return choices[0] if len(choices) == 1 else AnyOf(tuple(choices))
            self._need(",")

    def _filter(self) -> Where:
        self._blanks()
        self._need("(")
        left = self._operand()
        operator = self._match(_OPERATOR)
        right = self._operand() if operator else None
        self._need(")")
        self._blanks()
        self._need("]")
        return Where(left, operator[0] if operator else None, right)

    def _operand(self) -> Path | Constant:
        self._blanks()
        found: Path | Constant
        if quoted := self._match(_QUOTED):
            found = Constant(_unescaped(quoted[1] or quoted[2] or ""))
        elif number := self._match(_NUMBER):
            found = Constant(json.loads(number[0]))
        elif self._word("true"):
            found = Constant(True)
        elif self._word("false"):
            found = Constant(False)
        else:
            found = self.path()
        self._blanks()
        return found

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def _word(self, word: str) -> bool:
        return self._match(re.compile(rf"{word}(?![\w.-])")) is not None

    def _blanks(self) -> None:
        while self._peek(" ", "\n", "\t"):
            self._at += 1

    def _peek(self, *texts: str) -> bool:
        return self._text.startswith(texts, self._at)

    def _take(self, text: str) -> bool:
        if not self._peek(text):
            return False
        self._at += len(text)
        return True

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise self._bad(f"{text} is missing")

    def _bad(self, what: str) -> BadTemplate:
        rest = self._text[self._at :]
        return BadTemplate(f"{what} before {rest!r}" if rest else f"{what} at its end")


def _slice(part: re.Match[str]) -> slice:
    first, last, step = (int(n) if n else None for n in (part[1], part[3], part[5]))
    if part[2] is None:  # `[n]` is a slice of one item; [-1] has no end
        assert first is not None
        return slice(first, first + 1 if first != -1 else None)
    if step == 0:
        raise BadTemplate("a slice cannot have the step 0")
    return slice(first, last, step)
