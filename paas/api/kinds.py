"""All kinds of the platform, in the order in which a push goes through them."""

from __future__ import annotations

from typing import Final

from paas.api import build, buildconfig, deployment, image, route
from paas.api.base import Kind

KINDS: Final[tuple[Kind, ...]] = (buildconfig.KIND, build.KIND, image.KIND, deployment.KIND, route.KIND)
