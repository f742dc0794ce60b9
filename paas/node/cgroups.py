"""The instance's cgroup, `/paas-<name>` in every hierarchy: made before start, removed after the end.

kubelet and runc make everything else below it. On cgroup v2 the controllers have to be handed down first:
what was off at the root and is switched on for us is written down and switched off again. On v1 a new
cpuset has no CPUs until it is given some.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

WANTED = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


@dataclass(frozen=True, kw_only=True)
class Hierarchy:
    mount: Path
    version: int  # 1 or 2
    controllers: tuple[str, ...]  # v1 only; () for named ones


def hierarchies(mountinfo: str) -> tuple[Hierarchy, ...]:
    """All cgroup mounts in the text of /proc/self/mountinfo, each mount point once."""
    found: dict[str, Hierarchy] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if len(fields) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        options = set(kind[2].split(","))
        version = 2 if kind[0] == "cgroup2" else 1
        controllers = (
            tuple(sorted(options & {"cpuset", "cpu", "cpuacct", "memory", "pids"})) if version == 1 else ()
        )
        found[fields[4]] = Hierarchy(mount=Path(fields[4]), version=version, controllers=controllers)
    return tuple(found.values())


def is_unified(present: tuple[Hierarchy, ...]) -> bool:
    return bool(present) and all(hierarchy.version == 2 for hierarchy in present)


def prepare(name: str, record: Path) -> Path | None:
    """Make `/name` everywhere. On pure v2, returns the folder that the instance's own processes belong in;
    `record` keeps what must be undone."""
    present = hierarchies(Path("/proc/self/mountinfo").read_text())
    unified = is_unified(present)
    enabled: dict[str, list[str]] = {}
    for hierarchy in present:
        folder = hierarchy.mount / name
        if hierarchy.version == 2 and unified:
            available = (hierarchy.mount / "cgroup.controllers").read_text().split()
            control = hierarchy.mount / "cgroup.subtree_control"
            before = control.read_text().split()
            missing = [each for each in WANTED if each in available and each not in before]
            for controller in missing:
                with contextlib.suppress(OSError):  # a realtime process may forbid `cpu`: kubelet will say so
                    control.write_text(f"+{controller}")
                    enabled.setdefault(str(control), []).append(controller)
        folder.mkdir(exist_ok=True)
        if hierarchy.version == 2 and unified:
            for controller in (folder / "cgroup.controllers").read_text().split():
                if controller in WANTED:
                    with contextlib.suppress(OSError):
                        (folder / "cgroup.subtree_control").write_text(f"+{controller}")
            (folder / "system").mkdir(exist_ok=True)
        if "cpuset" in hierarchy.controllers:
            for file in ("cpuset.cpus", "cpuset.mems"):
                (folder / file).write_text((hierarchy.mount / file).read_text())
    previous = json.loads(record.read_text()) if record.exists() else {}
    record.write_text(json.dumps({**previous, **enabled}))
    return next((h.mount / name / "system" for h in present), None) if unified else None


def remove(name: str, record: Path, *, timeout: float = 10.0) -> list[Path]:
    """Remove `/name` everywhere, deepest folder first; returns what could not be removed."""
    present = hierarchies(Path("/proc/self/mountinfo").read_text())
    deadline = time.monotonic() + timeout
    while True:
        for hierarchy in present:
            _remove_tree(hierarchy.mount / name)
        left = [h.mount / name for h in present if (h.mount / name).exists()]
        # the kernel lets go of a cgroup a moment after its last process has gone
        if not left or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    if not left and record.exists():
        for control, controllers in json.loads(record.read_text()).items():
            for controller in controllers:
                with contextlib.suppress(OSError):  # somebody else uses it by now
                    Path(control).write_text(f"-{controller}")
        record.unlink()
    return left


def _remove_tree(folder: Path) -> None:
    if not folder.is_dir():
        return
    for child in folder.iterdir():
        if child.is_dir():
            _remove_tree(child)
    with contextlib.suppress(OSError):
        folder.rmdir()
