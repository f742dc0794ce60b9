"""Whether a language's version that a source asks for is the one that the platform has. Pure."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

PATCHES: Final = 60
"""Patch releases of one minor version that are thought of; the image has one of them."""


class Fit(Enum):
    """How a wish and a version go together."""

    MET = auto()
    OTHER_PATCH = auto()
    """The minor version is the same, the patch release is not known to be."""
    UNMET = auto()
    UNKNOWN = auto()
    """The wish is none that is understood."""


def fit(wanted: str, have: str) -> Fit:
    """`wanted` is a version ('3', '3.11', '3.11.4'), a specifier ('>=3.9,<4') or one in Poetry's words
    ('^3.9', '~3.9', with '||' between alternatives); `have` is major.minor."""
    version = re.fullmatch(r"v?([0-9]+(?:\.[0-9]+){0,2})(?:-?dev|t)?", wanted)
    if version is not None:
        parts, own = version[1].split("."), have.split(".")
        if parts[:2] != own[: len(parts[:2])]:
            return Fit.UNMET
        return Fit.MET if len(parts) < 3 else Fit.OTHER_PATCH
    fits = [_allowed(each.strip(), have) for each in re.split(r"\|\|?", wanted)]
    if any(fits):
        return Fit.MET
    return Fit.UNKNOWN if None in fits else Fit.UNMET


def _allowed(specifier: str, have: str) -> bool | None:
    """Whether any patch release is allowed; None for what is no specifier."""
    clauses = [_plain(clause) for clause in re.split(r"[,\s]+(?=[<>=!~^*0-9])", specifier)]
    try:
        wanted = SpecifierSet(",".join(clauses))
    except InvalidSpecifier:
        return None
    return any(wanted.contains(f"{have}.{patch}") for patch in range(PATCHES))


def _plain(clause: str) -> str:
    """One clause in the words of PEP 440."""
    clause = clause.replace(" ", "")
    if clause == "*":
        return ""
    caret = re.fullmatch(r"\^([0-9]+)((?:\.[0-9]+)*)", clause)
    if caret is not None:
        return f">={caret[1]}{caret[2]},<{int(caret[1]) + 1}"
    tilde = re.fullmatch(r"~([0-9]+)\.([0-9]+)((?:\.[0-9]+)*)", clause)
    if tilde is not None:
        return f">={tilde[1]}.{tilde[2]}{tilde[3]},<{tilde[1]}.{int(tilde[2]) + 1}"
    return f"=={clause}" if clause[:1].isdigit() else clause
