"""Which repositories of the registry are a project's: they are bound to its Namespace's UID, not to its name.

    <project>/uid_<12 hex digits>/<stream>          the stream's images
    <project>/uid_<12 hex digits>/<stream>/cache    layers that its builds keep for the next one
    <project>/<stream>                              images of a project that is older than this binding

A project that is made again under an old name has another UID, so it neither pulls the images of its
predecessor nor takes its layers. The part with the UID comes second, so that the version before this one,
which gives a project all that begins with its name, goes on to pull after a downgrade; an underscore is in no
name of an object, so the part is never a stream's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from paas.api.project import is_reserved
from paas.api.resources import Manifest

CACHE: Final = "cache"
CACHE_HOURS: Final = 336
"""How long builds take a cached layer after it was made."""
PART: Final = "uid_"


@dataclass(frozen=True)
class Repositories:
    """The repositories of one project. `by_name`: its images are where they were before repositories were
    bound to UIDs, because pods and revisions refer to them."""

    project: str
    part: str
    by_name: bool = False

    def images(self, stream: str) -> str:
        """Where builds push the images of a stream."""
        return f"{self.project}/{stream}" if self.by_name else f"{self._bound}/{stream}"

    def cache(self, stream: str) -> str:
        """Where builds of a stream keep layers. Also that of an older project is bound to its UID: the
        project may itself have been made again under an old name."""
        return f"{self._bound}/{stream}/{CACHE}"

    def of_build(self, stream: str) -> frozenset[str]:
        """What a build of the stream writes to. A build that the version before this one started has its
        cache at the project's name."""
        own = {self.images(stream), self.cache(stream)}
        return frozenset(own | {f"{self.project}/{stream}/{CACHE}"} if self.by_name else own)

    def pulled(self, repository: str) -> bool:
        """Whether the project's pods may pull it."""
        if repository.startswith(f"{self._bound}/"):
            return True
        own, _, rest = repository.partition("/")
        return self.by_name and own == self.project and bool(rest) and not rest.startswith(PART)

    @property
    def _bound(self) -> str:
        return f"{self.project}/{self.part}"


def repositories_of(namespace: Manifest, *, by_name_until: str) -> Repositories | None:
    """The repositories of the project that this Namespace is; None when it may not be one. `by_name_until` is
    the setting: projects that were made up to then keep their images' repositories."""
    metadata = namespace["metadata"]
    if is_reserved(metadata["name"]):
        return None  # `paas` would own the runtime images
    made = str(metadata.get("creationTimestamp") or "")
    return Repositories(
        project=metadata["name"],
        part=PART + hashlib.sha256(metadata["uid"].encode()).hexdigest()[:12],
        # both are RFC 3339 in UTC with whole seconds, which compare like the times they say
        by_name=bool(made) and made <= by_name_until,
    )
