"""One embedded cluster on disk and alive: prepare its files, start it, look at it, stop it.

    record   <state>/<name>/instance.json   the spec, kept from the first `up` on
    alive    run/init.json names the `unshare` process; it counts only if PID, start time and boot match
    inside   `enter` runs a command in the instance's namespaces

Nothing here talks to Kubernetes; `bringup` does.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import paas
from paas.node import cgroups, commands, config, kubeconfig, network, pki
from paas.node.errors import NodeError
from paas.node.images import MACHINE_CAS
from paas.node.paths import cache_root, state_root
from paas.node.spec import PLATFORM_UID, Instance, Subnets

STOP_TIMEOUT = 60.0
PRIVATE = ("pki", "etc", "etcd", "containerd", "kubelet", "kubelet-pki", "run", "volumes")
PUBLIC = ("logs", "pod-logs")


@dataclass(frozen=True, kw_only=True)
class Alive:
    """A running instance: the PIDs are the host's."""

    unshare: int
    init: int


def folder_of(name: str) -> Path:
    return state_root() / name


def names() -> list[str]:
    """Instances that have a record, running or not."""
    root = state_root()
    return sorted(path.parent.name for path in root.glob("*/instance.json")) if root.exists() else []


def load(name: str) -> Instance | None:
    """The recorded instance; None if there is none."""
    try:
        document: dict[str, Any] = json.loads((folder_of(name) / "instance.json").read_text())
    except FileNotFoundError:
        return None
    for key in ("state", "binaries", "pause_image"):
        document[key] = Path(document[key])
    document["subnets"] = Subnets(**document["subnets"])
    known = {field.name for field in fields(Instance)}
    # written by another version, it may say more than this one knows
    return Instance(**{key: value for key, value in document.items() if key in known})


def save(instance: Instance) -> None:
    document = json.dumps(asdict(instance), default=str, indent=1)
    _replace(instance.state / "instance.json", document, mode=0o644)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """One `up` or `down` of an instance at a time; NodeError at once when another one runs."""
    root = state_root()
    root.mkdir(parents=True, exist_ok=True)
    with (root / f".{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NodeError(
                f"Another `paas up` or `paas down` of '{name}' is running",
                why="two at once would undo each other's work",
                next_step="wait for it to end, then run this command again",
            ) from None
        yield


def prepare(instance: Instance, host: network.HostNetwork) -> bool:
    """Folders, keys, certificates and configuration; what is there and right stays.

    Returns whether anything changed that a running instance has read already.
    """
    instance.state.mkdir(parents=True, exist_ok=True)
    instance.state.chmod(0o755)  # the user of sudo reads the kubeconfig in it
    for name in (*PRIVATE, *PUBLIC):
        (instance.state / name).mkdir(exist_ok=True)
    for name in PRIVATE:
        (instance.state / name).chmod(0o700)
    for folder in (instance.repositories, instance.registry_storage):
        folder.mkdir(parents=True, exist_ok=True)
    os.chown(instance.repositories, PLATFORM_UID, PLATFORM_UID)
    # pods of the platform's user reach their volume through it
    (instance.state / "volumes").chmod(0o711)
    (instance.state / "kubelet").chmod(0o711)
    pki.ensure_authority(instance.pki, "cluster-ca", common_name=f"paas {instance.name} cluster CA")
    pki.ensure_authority(
        instance.pki,
        "platform-ca",
        common_name=f"paas {instance.name} platform CA",
        permitted=config.permitted_suffixes(instance),
    )
    changed = [pki.ensure_leaf(instance.pki, leaf) for leaf in config.leaves(instance)]
    for pair in ("service-account", "registry-token"):
        pki.ensure_key_pair(instance.pki, pair)
    for path, content in config.files(instance, host_resolvers=host.resolvers).items():
        changed.append(_replace(instance.etc / path, content))
    inside = f"https://{instance.subnets.node}:6443"
    for file, leaf_name in config.kubeconfigs().items():
        _replace(instance.etc / file, kubeconfig.of_leaf(instance.pki, leaf_name, server=inside, name="paas"))
    outside = f"https://127.0.0.1:{instance.api_port}"
    text = kubeconfig.of_leaf(instance.pki, "admin", server=outside, name=context_name(instance))
    _replace(instance.kubeconfig, text)
    _give_to_user(instance.kubeconfig)
    machine = MACHINE_CAS.read_text() if MACHINE_CAS.exists() else ""
    _replace(instance.trust_bundle, machine + (instance.pki / "platform-ca.crt").read_text())
    # what a person has to trust; the key beside it in pki stays private
    _replace(instance.state / "platform-ca.crt", (instance.pki / "platform-ca.crt").read_text(), mode=0o644)
    instructions = commands.document(instance, keep=_keep(instance))
    changed.append(_replace(instance.run / "supervise.json", json.dumps(instructions, indent=1)))
    binaries = instance.state / "bin"
    if not binaries.is_symlink() or binaries.readlink() != instance.binaries:
        binaries.unlink(missing_ok=True)
        binaries.symlink_to(instance.binaries)
    save(instance)
    return any(changed)


def context_name(instance: Instance) -> str:
    return "paas" if instance.name == "default" else f"paas-{instance.name}"


def _keep(instance: Instance) -> tuple[Path, ...]:
    """Folders that must be seen inside though what is above them is hidden there."""
    wanted = [instance.state, cache_root(), _source(), Path(sys.prefix), Path(sys.base_prefix)]
    return tuple(dict.fromkeys(path.resolve() for path in wanted if path.exists()))


def _source() -> Path:
    assert paas.__file__ is not None
    return Path(paas.__file__).resolve().parents[1]


def start(instance: Instance) -> None:
    """Start the namespaces and the init process in them; returns as soon as they exist."""
    status = instance.run / "status.json"
    status.unlink(missing_ok=True)
    own_group = cgroups.prepare(instance.cgroup, instance.run / "cgroups.json")
    command = [
        *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL"),
        *(sys.executable, "-m", "paas.node.supervise", str(instance.run / "supervise.json")),
    ]
    with contextlib.ExitStack() as stack:
        # the way back: pasta has one foot in each network namespace
        host_net = stack.enter_context(Path("/proc/self/ns/net").open("rb")).fileno()
        command.append(str(host_net))
        if own_group is not None:
            # not the cgroup of the shell: its session may end, and the instance must outlive it
            command = ["sh", "-c", f'echo $$ > {own_group}/cgroup.procs && exec "$@"', "sh", *command]
        log = stack.enter_context((instance.logs / "supervise.log").open("ab"))
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(host_net,),
            start_new_session=True,
            cwd="/",
            env={
                "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
                "PYTHONPATH": str(_source()),
            },
        )
    record = {"unshare": process.pid, "started": _start_time(process.pid), "boot": _boot()}
    _replace(instance.run / "init.json", json.dumps(record))
    deadline = time.monotonic() + 15
    while not status.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise NodeError(
                f"The instance's init process did not start:\n{tail(instance.logs / 'supervise.log')}",
                why="its namespaces, mounts or first network link could not be made",
                next_step="run `paas doctor`; the whole log is " + str(instance.logs / "supervise.log"),
            )
        time.sleep(0.02)


def alive(instance: Instance) -> Alive | None:
    """The running instance; None if it does not run (any more)."""
    try:
        record = json.loads((instance.run / "init.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    pid = record["unshare"]
    if record["boot"] != _boot() or _start_time(pid) != record["started"]:
        return None
    status = read_status(instance)
    return Alive(unshare=pid, init=status.get("host_pid", 0))


def read_status(instance: Instance) -> dict[str, Any]:
    """What the init process last wrote; {} before it has."""
    try:
        document: dict[str, Any] = json.loads((instance.run / "status.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return document


def enter(instance: Instance) -> list[str]:
    """The beginning of a command line that runs what follows inside the instance's namespaces."""
    running = alive(instance)
    if running is None or not running.init:
        raise NodeError(f"The instance '{instance.name}' is not running", next_step="paas up")
    return ["nsenter", f"--target={running.init}", "--net", "--mount", "--pid", "--"]


def stop(instance: Instance, *, timeout: float = STOP_TIMEOUT) -> None:
    """End the instance: a clean stop, then SIGKILL for what is left; the host is as before."""
    running = alive(instance)
    if running is not None:
        if running.init:
            with contextlib.suppress(ProcessLookupError):
                os.kill(running.init, signal.SIGTERM)
            _wait_gone(instance, timeout)
        if alive(instance) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(running.unshare, signal.SIGKILL)
            _wait_gone(instance, 10)
    # the last processes of the namespace may outlive its init by a moment; their cgroups wait for them
    left = cgroups.remove(instance.cgroup, instance.run / "cgroups.json")
    for name in ("init.json", "status.json"):
        (instance.run / name).unlink(missing_ok=True)
    if left:
        raise NodeError(
            f"Stopped, but these cgroups could not be removed: {', '.join(map(str, left))}",
            why="processes that were started inside by hand may still run there",
            next_step=f"end the processes listed in {left[0]}/cgroup.procs, then run the same command again",
        )


def purge(name: str) -> None:
    """Remove everything of a stopped instance."""
    shutil.rmtree(folder_of(name), ignore_errors=True)
    if folder_of(name).exists():
        shutil.rmtree(folder_of(name))  # once more, for the reason why not
    (state_root() / f".{name}.lock").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        state_root().rmdir()  # only when it was the last one


def tail(path: Path, lines: int = 12) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _wait_gone(instance: Instance, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while alive(instance) is not None and time.monotonic() < deadline:
        time.sleep(0.05)


def _start_time(pid: int) -> str | None:
    """Field 22 of /proc/PID/stat; None when there is no such process, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _give_to_user(path: Path) -> None:
    """To the user who called sudo, if so."""
    uid, gid = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if uid and gid:
        os.chown(path, int(uid), int(gid))


def _replace(path: Path, content: str, *, mode: int = 0o600) -> bool:
    """Write a file whole, never readable by more than `mode` says; whether it was different before."""
    try:
        # what runs may watch the file, or have it mounted: leave it alone when it is right
        if path.read_text() == content and path.stat().st_mode & 0o777 == mode:
            return False
    except OSError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(path.name + ".part")
    staging.unlink(missing_ok=True)
    descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    staging.rename(path)
    return True
