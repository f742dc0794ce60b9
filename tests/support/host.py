"""A snapshot of what an embedded cluster must leave alone on the host."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# Counters and identifiers of the kernel that change by themselves.
RESTLESS = {
    "fs/dentry-state", "fs/file-nr", "fs/inode-nr", "fs/inode-state", "fs/quota/syncs", "fs/aio-nr",
    "kernel/ns_last_pid", "kernel/pty/nr", "kernel/random/uuid", "kernel/random/entropy_avail",
    "net/netfilter/nf_conntrack_count", "kernel/perf_event_max_sample_rate", "fs/quota/lookups",
}  # fmt: skip
WATCHED_FOLDERS = ("/run", "/run/netns", "/var/lib", "/var/lib/cni", "/var/log", "/etc", "/etc/cni", "/opt")


@dataclass(frozen=True)
class Host:
    """Everything as plain data; equal means: as before."""

    sysctls: dict[str, str]
    cgroups: list[str]
    mounts: list[str]
    links: list[str]
    routes: list[str]
    rules: dict[str, str]
    namespaces: list[str]
    folders: dict[str, list[str]]
    files: dict[str, str]

    def changes(self, before: Host) -> dict[str, Any]:
        """What is different from `before`, by kind; {} when nothing is.

        A kernel module that was loaded brings sysctls of its own; it stays loaded, and that is the one thing
        that may stay.
        """
        found: dict[str, Any] = {}
        mine, theirs = asdict(self), asdict(before)
        mine["sysctls"] = {key: value for key, value in mine["sysctls"].items() if key in theirs["sysctls"]}
        for kind, value in mine.items():
            if value != theirs[kind]:
                found[kind] = _difference(theirs[kind], value)
        return found


def snapshot(*, of: str | None) -> Host:
    """The host now. Of cgroups of embedded clusters those of the instance `of` count: others, which may be
    there, come and go as they like."""
    return Host(
        sysctls=dict(_sysctls()),
        cgroups=sorted(_cgroups(of)),
        mounts=_mounts(),
        links=sorted(_links()),
        routes=_lines("ip", "route", "show", "table", "all") + _lines("ip", "rule", "show"),
        rules={tool: _rules(tool) for tool in ("iptables-save", "ip6tables-save", "nft")},
        namespaces=sorted(path.name for path in Path("/run/netns").glob("*")),
        folders={name: sorted(_names(Path(name))) for name in WATCHED_FOLDERS},
        files={name: Path(name).read_text() for name in ("/etc/hosts", "/etc/resolv.conf")},
    )


def descendants(pid: int) -> dict[tuple[int, str], str]:
    """This process and all below it, in whatever namespaces: (PID, start time) → command line."""
    parents: dict[int, int] = {}
    known: dict[int, tuple[str, str]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        number = int(process.name)
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            known[number] = (fields[19], (process / "cmdline").read_text().replace("\0", " "))
            parents[number] = int(fields[1])
        except OSError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {(each, known[each][0]): known[each][1] for each in found if each in known}


def still_there(processes: dict[tuple[int, str], str]) -> list[str]:
    """Command lines of those that have not ended."""
    left = []
    for (pid, started), command in processes.items():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[19] == started and fields[0] != "Z":
            left.append(command)
    return left


def _sysctls() -> Iterator[tuple[str, str]]:
    root = Path("/proc/sys")
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if name in RESTLESS or not path.is_file() or not path.stat().st_mode & 0o444:
            continue
        try:
            yield name, path.read_text(errors="replace")
        except OSError:
            continue


def _cgroups(instance: str | None) -> Iterator[str]:
    """The first level of every hierarchy, and whatever below it has to do with containers: sessions and
    services of the machine come and go by themselves."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        if right.split()[0] in ("cgroup", "cgroup2"):
            root = Path(left.split()[4])
            for path in root.rglob("*"):
                parts = path.relative_to(root).parts
                other = parts[0].startswith("paas-") and parts[0] != f"paas-{instance}"
                if other or not path.is_dir():
                    continue
                if len(parts) == 1 or any(word in str(path) for word in ("paas", "kube", "containerd")):
                    yield str(path)


def _mounts() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    # without the ids, which are given out again
    return sorted(" ".join(line.split()[2:]) for line in lines)


def _links() -> Iterator[str]:
    for link in json.loads(
        subprocess.run(["ip", "-json", "address"], capture_output=True, check=True).stdout
    ):
        addresses = sorted(f"{a['local']}/{a['prefixlen']}" for a in link.get("addr_info", []))
        yield f"{link['ifname']} {link.get('address')} {addresses}"


def _rules(tool: str) -> str:
    if shutil.which(tool) is None:
        return ""
    command = [tool, "list", "ruleset"] if tool == "nft" else [tool]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    # the first and last lines are the time of the call
    return "\n".join(line for line in said.splitlines() if not line.startswith("#"))


def _lines(*command: str) -> list[str]:
    return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _difference(before: Any, after: Any) -> Any:
    if isinstance(before, dict):
        keys = set(before) | set(after)
        return {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}
    return {
        "gone": [each for each in before if each not in after],
        "new": [each for each in after if each not in before],
    }
