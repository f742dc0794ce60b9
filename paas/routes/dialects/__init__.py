"""One module a dialect: an Intent in, the objects of an ingress controller out.

A new one implements `base.Dialect` and is added to `DIALECTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from paas.routes.dialects.base import Child, Children, Dialect
from paas.routes.dialects.ingress import IngressDialect

__all__ = ["DEFAULT", "DIALECTS", "Child", "Children", "Dialect"]

DEFAULT: Final[Dialect] = IngressDialect()
"""The dialect of the embedded cluster."""
DIALECTS: Final[Mapping[str, Dialect]] = {dialect.name: dialect for dialect in (DEFAULT,)}
"""Every dialect by its name."""
