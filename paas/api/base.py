"""Base of the models of our kinds: pydantic with OpenShift's field names.

A model reads what the API server stores, so unknown fields are ignored (additive growth of v1); the
schema in crds/ is generated from it by `api.crds`, and validates what people write. Python names are
snake_case, the wire's are camelCase.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError
from pydantic.alias_generators import to_camel

from paas.api.names import Condition, Reason
from paas.api.resources import Manifest, Resource


class Model(BaseModel):
    """An immutable part of a spec or status. A subclass declares CEL rules in `cel`: (rule, message).

    The docstring below a field is its description in the CRD and in docs/reference/.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, use_enum_values=True
    )
    cel: ClassVar[tuple[tuple[str, str], ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        node = handler.resolve_ref_schema(schema)
        if cls.cel:
            rules = [{"rule": rule, "message": message} for rule, message in cls.cel]
            node["x-kubernetes-validations"] = rules
        return schema

    def dump(self) -> Manifest:
        """JSON data with the wire's names; absent (None) fields are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


M = TypeVar("M", bound=Model)


class ConditionModel(Model):
    """metav1.Condition."""

    type: str
    """What the condition is about, such as Ready."""
    status: str
    """True, False or Unknown."""
    reason: str
    """Why, in one word for programs."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, in a sentence for people, with what to do next when something is wrong."""
    observed_generation: int | None = None
    """The metadata.generation that this condition is about."""
    last_transition_time: str
    """When `status` last changed."""


class Status(Model):
    """The part that every status of ours has."""

    observed_generation: int | None = None
    """The newest metadata.generation that the controller has acted on; a smaller number than
    metadata.generation means that it has not seen the last change yet."""
    conditions: tuple[ConditionModel, ...] | None = Field(default=None, max_length=16)
    """What is so and what is not, one entry a type."""


Opaque = Annotated[dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]
"""An object whose schema is Kubernetes's own (a pod template): kept as it is."""


def unsupported(*fields: str) -> tuple[tuple[str, str], ...]:
    """CEL rules that refuse fields of OpenShift which are in the schema but not built yet."""
    return tuple((f"!has(self.{name})", f"{name} is not supported yet; leave it out") for name in fields)


def first_problem(problem: ValidationError, *, within: str = "spec") -> str:
    """The first thing that is wrong with a spec (or what it is `within`), with its field."""
    error = problem.errors()[0]
    field = ".".join((within, *(str(part) for part in error["loc"])))
    # pydantic puts words of its own before what a validator says
    return f"{field}: {error['msg'].removeprefix('Value error, ').removeprefix('Assertion failed, ')}"


@dataclass(frozen=True)
class Column:
    """A printer column of `kubectl get`; priority 1 shows with -o wide."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True)
class NameRule:
    """What `metadata.name` of a kind may be; the default is DNS-1035, because the name of most of our
    objects also becomes a Service's or part of a host."""

    limit: int = 63
    pattern: str = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
    too_long: str = "children's names are made of it"
    """Why it has a limit, for the message."""
    characters: str = "lower-case letters, digits and '-', beginning with a letter"
    """The pattern in words, for the message."""

    @property
    def cel(self) -> tuple[tuple[str, str], ...]:
        """The rule as CEL at the root of the object."""
        return (
            (
                f"self.metadata.name.size() <= {self.limit}",
                f"metadata.name must be at most {self.limit} characters: {self.too_long}",
            ),
            (f"self.metadata.name.matches('{self.pattern}')", f"metadata.name must be {self.characters}"),
        )


@dataclass(frozen=True)
class ConditionType:
    """A condition of a kind, what True means for it, and the reasons that it can have."""

    type: Condition
    meaning: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Kind:
    """One kind of ours: all that `api.crds` and `api.reference` write about it.

    `resource` says group, version, scope and plural: they need not be those of the platform's own group.
    """

    resource: Resource
    singular: str
    short_names: tuple[str, ...]
    spec: type[Model]
    status: type[Status]
    columns: tuple[Column, ...]
    conditions: tuple[ConditionType, ...]
    example: str
    """A manifest in YAML that the schema accepts."""
    rules: tuple[tuple[str, str], ...] = ()
    """CEL rules at the root of the object, where metadata.name and oldSelf can be seen."""
    name_rule: NameRule = NameRule()
    categories: tuple[str, ...] = ("paas",)
    """`kubectl get CATEGORY` lists all kinds of it."""
    scale: Mapping[str, str] | None = field(default=None)
    """Paths of the scale subresource, or None."""
    server_status: frozenset[str] = frozenset()
    """Fields of the status (as they are stored) that server and front write; no controller touches them."""
