"""Rendering: from what was detected to the Dockerfile that is built. Pure.

Templates run in jinja2's sandbox, undefined names are errors, and every fact was validated by its
pattern. Facts reach the Dockerfile through filters that quote: `command` for CMD, `tojson` for text.
"""

from __future__ import annotations

import json
import re
from typing import Final

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from paas.api.names import Reason
from paas.source.buildpack import Buildpack
from paas.source.detect import MAX_DOCKERFILE, Detected, Unbuildable

_SIMPLE: Final = re.compile(r"[^;&|<>()`\n]+")
_ASSIGNMENT: Final = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_]*=")


def render(detected: Detected, *, runtime_registry: str) -> str:
    """The Dockerfile: the source's own, or the buildpack's with the facts filled in.

    `runtime_registry` is the prefix of runtime images, as `registry.example:5000/paas`. Raises
    Unbuildable when the template cannot be rendered.
    """
    if detected.buildpack is None:
        assert detected.dockerfile is not None, "either a Dockerfile or a buildpack was detected"
        return detected.dockerfile
    return render_buildpack(detected.buildpack, dict(detected.facts), runtime_registry=runtime_registry)


def render_buildpack(pack: Buildpack, facts: dict[str, str], *, runtime_registry: str) -> str:
    """A buildpack's Dockerfile for these facts."""
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,  # a Dockerfile is not HTML; filters quote for it
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["command"] = command
    environment.filters["tojson"] = json.dumps
    context = {**facts, "runtime": f"{runtime_registry}/{pack.runtime_name}", "port": pack.port}
    try:
        text = environment.from_string(pack.template).render(context)
    except (TemplateError, ArithmeticError, TypeError, ValueError) as problem:
        raise Unbuildable(
            Reason.MANAGE_DOCKERFILE_FAILED,
            f"buildpack {pack.name} does not render: {problem}",
            "commit a Dockerfile to build without it",
        ) from problem
    if len(text.encode()) > MAX_DOCKERFILE:
        raise Unbuildable(
            Reason.MANAGE_DOCKERFILE_FAILED,
            f"buildpack {pack.name} makes a Dockerfile above {MAX_DOCKERFILE} bytes",
            "commit one of your own",
        )
    return text


def command(line: str) -> str:
    """A shell command line as the argument of CMD: a JSON array that runs it by sh.

    A simple command replaces the shell (`exec`), so that it gets the SIGTERM of a rollout itself.
    """
    simple = _SIMPLE.fullmatch(line) is not None and _ASSIGNMENT.match(line) is None
    already = line.lstrip().startswith("exec ")
    return json.dumps(["/bin/sh", "-c", f"exec {line}" if simple and not already else line])
