"""The instance's mount namespace: /run, /var/lib and /var/log are its own, the host's stay untouched below.

Used by the init process, so: the standard library only.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def make_own(wanted: dict[str, Any]) -> None:
    """Turn the mount namespace into the instance's own; the host's tree stays as it is below."""
    _mount("--make-rprivate", "/")
    # inside, mounts must travel from kubelet to containers
    _mount("--make-rshared", "/")
    _mount("-t", "proc", "proc", "/proc")
    folder = Path(wanted["sysctl_files"])
    folder.mkdir(parents=True, exist_ok=True)
    for name in wanted["sysctls"]:
        real, stand_in = Path("/proc/sys", name), folder / name.replace("/", "_")
        if real.exists():
            stand_in.write_text(real.read_text())
            _mount("--bind", str(stand_in), str(real))
    targets = {path: os.path.realpath(path) for path in wanted["files"]}
    private: list[str] = wanted["private"]
    kept = {
        path: os.open(path, os.O_PATH | os.O_DIRECTORY)
        for path in wanted["keep"]
        if any(_within(path, hidden) for hidden in private)
    }
    sources = {path: Path(source).read_bytes() for path, source in wanted["files"].items()}
    for path in private:
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", path)
    for path, descriptor in kept.items():
        Path(path).mkdir(parents=True, exist_ok=True)
        # without -c, mount would resolve the link to the very path that has just been hidden
        _mount("-c", "--rbind", f"/proc/{os.getpid()}/fd/{descriptor}", path)
        os.close(descriptor)
    for name in ("/run/netns", "/run/lock", "/run/paas"):
        Path(name).mkdir(parents=True, exist_ok=True)
    # A container in a user namespace may mount its /proc only where one without anything mounted over it can
    # be seen; ours has the stand-ins for sysctls on it. Without this, no pod with hostUsers: false starts.
    Path("/run/paas/proc").mkdir(exist_ok=True)
    _mount("-t", "proc", "proc", "/run/paas/proc")
    # pasta drops the privilege to look into /proc/PID/ns of others, so it gets the namespace as a file, in
    # the folder where AppArmor profiles of distributions let it look
    Path("/run/netns/paas").touch()
    _mount("--bind", "/proc/self/ns/net", "/run/netns/paas")
    for path, target in targets.items():
        # a resolv.conf that is a link into /run has just been hidden; its stand-in goes where it pointed
        if any(_within(target, hidden) for hidden in private):
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            Path(target).write_bytes(sources[path])
        elif Path(target).exists():
            _mount("--bind", wanted["files"][path], target)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, env=ENVIRONMENT)
