"""The objects of a new application, as YAML that its owner keeps and changes.

The jinja2 template has comments that explain each object, so its text is the result; the objects are
read back from that text. Values go in through `tojson` only, as quoted scalars (or through `comment`),
so no name, variable or URL can become YAML of its own. The sandbox and StrictUndefined are for the
template's author: a misspelt name is an error and not an empty value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import jinja2
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

from paas.api import names
from paas.api.resources import Manifest
from paas.kube.body import json_text
from paas.kube.expansion import literal


@dataclass(frozen=True)
class AppSpec:
    """What new-app decided. `env` is in order and without PORT; `webhook_key` is for an external `uri`."""

    name: str
    project: str
    port: int
    summary: str
    """Where the source comes from and how it is built, for the first comment."""
    uri: str | None = None
    ref: str | None = None
    context_dir: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    webhook_key: str = ""


def comment(value: str) -> str:
    """`value` inside a comment: printable, on one line."""
    return "".join(c for c in value if c.isprintable())[:200]


@cache
def _template() -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["tojson"] = json_text
    environment.filters["comment"] = comment
    environment.filters["combine"] = lambda a, b: {**a, **b}
    return environment.from_string((resources.files(__package__) / "app.yaml.j2").read_text())


def render(app: AppSpec) -> str:
    """The application's objects as commented YAML documents."""
    given = [(key, value, literal(value)) for key, value in app.env if key != "PORT"]
    variables = [{"name": key, "value": text, "escaped": text != value} for key, value, text in given]
    return _template().render(
        name=app.name,
        project=app.project,
        port=app.port,
        summary=app.summary,
        uri=app.uri,
        ref=app.ref,
        context_dir=app.context_dir,
        env=[{"name": "PORT", "value": str(app.port), "escaped": False}, *variables],
        webhook_key=app.webhook_key,
        labels=labels(app.name),
        selector=selector(app.name),
    )


def objects(text: str) -> list[Manifest]:
    """The objects of rendered YAML."""
    return [document for document in yaml.safe_load_all(text) if document]


def labels(name: str) -> Mapping[str, str]:
    """Labels of every object of an application."""
    return {names.LABEL_NAME: name, names.LABEL_PART_OF: name, names.LABEL_MANAGED_BY: names.MANAGED_BY}


def selector(name: str) -> Mapping[str, str]:
    """What the application's pods carry, for DeploymentConfig and Service."""
    return {names.LABEL_DEPLOYMENTCONFIG: name}
