"""What the container may use, as the kernel says it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Of cgroup v2 and v1, as a container sees its own."""
NO_LIMIT: Final = 2**50
"""cgroup v1 says a number of this order where there is no limit."""


def memory_limit(files: tuple[Path, ...] = LIMITS) -> int | None:
    """Bytes, or None where there is no limit."""
    for path in files:
        try:
            said = path.read_text().strip()
        except OSError:
            continue
        return int(said) if said.isdigit() and int(said) < NO_LIMIT else None
    return None
