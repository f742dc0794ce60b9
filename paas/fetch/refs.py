"""Which ref of a repository elsewhere a BuildConfig means. Pure."""

from __future__ import annotations

from collections.abc import Container


def candidates(ref: str | None) -> list[bytes]:
    """What a branch, a tag, a whole ref, or HEAD (None) may be called, the likelier name first."""
    if ref is None:
        return [b"HEAD"]
    if ref.startswith("refs/"):
        return [ref.encode()]
    return [f"refs/heads/{ref}".encode(), f"refs/tags/{ref}".encode()]


def meant(ref: str | None, there: Container[bytes]) -> bytes | None:
    """Which name in `there` it is, of an annotated tag that of its commit; None when there is none."""
    names = (each for name in candidates(ref) for each in (name + b"^{}", name))
    return next((each for each in names if each in there), None)
