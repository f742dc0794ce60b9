"""What the registry (distribution) has on its disk, read from its files, and the links that are taken out.

    docker/registry/v2/repositories/<name>/_manifests/revisions/sha256/<hex>/link   a manifest of it
                                          /_manifests/tags/<tag>/current/link       digest under a tag
                                          /_layers/…, _uploads/…
    docker/registry/v2/blobs/sha256/<first two>/<hex>/data                          manifests and layers

Its API lists what has a tag; what a second push under the same tag left behind is seen here only. To delete
a manifest by the API takes out the same links, but looks at all tags of the repository for each, and does not
know a manifest whose file is torn. A registry that serves meanwhile reads these files for each request.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from paas.registry.needed import Stored, is_cache

_ROOT: Final = Path("docker/registry/v2")
_HEX: Final = re.compile(r"[0-9a-f]{64}")
LARGEST_DOCUMENT: Final = 4 * 2**20


class Storage:
    """The storage in a folder, which is the registry's `rootdirectory`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._repositories, self._blobs = folder / _ROOT / "repositories", folder / _ROOT / "blobs"

    def repositories(self) -> list[str]:
        """Names of all repositories, also of those that have nothing any more."""
        found = []
        for path, folders, _ in os.walk(self._repositories):
            if any(part in folders for part in ("_manifests", "_layers", "_uploads")):
                found.append(Path(path).relative_to(self._repositories).as_posix())
            folders[:] = [name for name in folders if not name.startswith("_")]
        return sorted(found)

    def stored(self) -> list[Stored]:
        """Every manifest of every repository."""
        return [image for name in self.repositories() for image in self._of(name)]

    def used(self) -> int:
        """Bytes on the disk."""
        total = 0
        for path, _, files in os.walk(self.folder):
            for name in files:
                with contextlib.suppress(FileNotFoundError):  # the registry works meanwhile
                    total += os.lstat(os.path.join(path, name)).st_blocks * 512
        return total

    def superfluous(self, kept: Iterable[Stored]) -> int:
        """Bytes of all that is named by none of these manifests: what a garbage collection brings back."""
        named = {digest for image in kept for digest in (image.digest, *self._blobs_of(image.digest))}
        total = 0
        for data in (self._blobs / "sha256").glob("*/*/data"):
            if f"sha256:{data.parent.name}" not in named:
                with contextlib.suppress(FileNotFoundError):
                    total += data.stat().st_blocks * 512
        return total

    def remove_emptied(self) -> list[str]:
        """Remove the repositories that have no manifest any more: the links to their layers would keep these
        readable there. Only while nobody pushes. Their names."""
        emptied = [name for name in self.repositories() if not list(self._digests(name))]
        for name in emptied:
            path = self._repositories / name
            for part in ("_manifests", "_layers", "_uploads"):
                shutil.rmtree(path / part, ignore_errors=True)
            with contextlib.suppress(OSError):  # another repository is below
                while path != self._repositories:
                    path.rmdir()
                    path = path.parent
        return emptied

    def forget(self, image: Stored) -> None:
        """Take out the links to a manifest, its tags first: then, whenever this ends, what is left is seen
        again. Only while nobody pushes."""
        folder = self._repositories / image.repository / "_manifests"
        for tag in image.tags:
            shutil.rmtree(folder / "tags" / tag, ignore_errors=True)
        shutil.rmtree(folder / "revisions/sha256" / image.digest.removeprefix("sha256:"), ignore_errors=True)

    def clear(self, image: Stored) -> None:
        """Remove the file of a manifest that is not what its digest says."""
        self._data(image.digest).unlink(missing_ok=True)

    def complete(self) -> None:
        """Make the folder of layers in each repository that has none, such as one with an empty list only:
        the registry's collection would end there, for all repositories."""
        for name in self.repositories():
            (self._repositories / name / "_layers").mkdir(exist_ok=True)

    def _of(self, name: str) -> Iterator[Stored]:
        tags: dict[str, set[str]] = {}
        for link in (self._repositories / name / "_manifests/tags").glob("*/current/link"):
            with contextlib.suppress(OSError):
                tags.setdefault(link.read_text().strip(), set()).add(link.parents[1].name)
        for digest in self._digests(name):
            manifest = self._document(digest)
            broken = not self._whole(digest)
            listed = manifest.get("manifests")
            names = [_digest(each) for each in listed] if isinstance(listed, list) else []
            yield Stored(
                repository=name,
                digest=digest,
                tags=frozenset(tags.get(digest, ())),
                names=frozenset(found for found in names if found),
                about=_digest(manifest.get("subject")),
                broken=broken,
                made=self._made(manifest) if is_cache(name) else None,
            )

    def _blobs_of(self, digest: str) -> Iterator[str]:
        manifest = self._document(digest)
        layers = manifest.get("layers")
        for each in (manifest.get("config"), *(layers if isinstance(layers, list) else ())):
            if found := _digest(each):
                yield found

    def _digests(self, name: str) -> Iterator[str]:
        for link in (self._repositories / name / "_manifests/revisions/sha256").glob("*/link"):
            if _HEX.fullmatch(link.parent.name):
                yield f"sha256:{link.parent.name}"

    def _made(self, manifest: dict[str, Any]) -> datetime | None:
        config = _digest(manifest.get("config"))
        said = self._document(config).get("created") if config else None
        try:
            made = datetime.fromisoformat(str(said))
        except ValueError:
            return None
        return made if made.tzinfo is not None else None

    def _whole(self, digest: str) -> bool:
        """Raises OSError when that cannot be known: then nothing may be decided by it."""
        try:
            content = self._data(digest).read_bytes()
        except FileNotFoundError:
            return False
        return f"sha256:{hashlib.sha256(content).hexdigest()}" == digest

    def _data(self, digest: str) -> Path:
        hexadecimal = digest.removeprefix("sha256:")
        return self._blobs / "sha256" / hexadecimal[:2] / hexadecimal / "data"

    def _document(self, digest: str) -> dict[str, Any]:
        """A manifest or configuration; empty when it cannot be read: what it says is then not known."""
        if not _HEX.fullmatch(digest.removeprefix("sha256:")):
            return {}
        try:
            with self._data(digest).open("rb") as file:
                found = json.loads(file.read(LARGEST_DOCUMENT))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def _digest(descriptor: Any) -> str | None:
    found = descriptor.get("digest") if isinstance(descriptor, dict) else None
    return found if isinstance(found, str) else None
