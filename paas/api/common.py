"""What several kinds share: bounded scalars, references, and the CEL rule for paths."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from paas.api.base import Model, Opaque, unsupported

ObjectName = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
ShortName = Annotated[str, Field(max_length=63)]
Text = Annotated[str, Field(max_length=1024)]
LongText = Annotated[str, Field(max_length=8192)]
Commit = Annotated[str, Field(max_length=64, pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
ContentKey = Annotated[str, Field(max_length=80)]
RelativePath = Annotated[str, Field(max_length=512, pattern=r"^([^/\x00-\x1f-][^\x00-\x1f]*)?$")]
"""A path below the source: not absolute, not starting like an option; `..` is ruled out by `below`."""
Quantity = Annotated[Any, Field(json_schema_extra={"x-kubernetes-int-or-string": True})]
Quantities = Annotated[dict[str, Quantity], Field(max_length=16)]
IntOrString = Annotated[int | str, Field(json_schema_extra={"x-kubernetes-int-or-string": True})]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
NotNegative = Annotated[int, Field(ge=0, le=2**31 - 1)]
EnvName = Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


def below(field: str) -> tuple[str, str]:
    """The CEL rule that a path does not leave the source."""
    return (
        f"!has(self.{field}) || !self.{field}.split('/').exists(part, part == '..')",
        f"{field} must stay inside the source: remove '..'",
    )


class LocalReference(Model):
    """An object in the same namespace."""

    name: ObjectName
    """Its name."""


class EnvVar(Model):
    """A name and a literal value; OpenShift's `valueFrom` is refused."""

    name: EnvName
    """Name of the variable."""
    value: Annotated[str, Field(max_length=4096)] = ""
    """Its value."""
    value_from: Opaque | None = None
    """A value from a Secret, ConfigMap or field."""
    cel = unsupported("valueFrom")
