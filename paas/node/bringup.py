"""`paas up`: from whatever is there to a cluster that works.

    packages, binaries, images ─▶ files of the instance ─▶ its processes ─▶ API ─▶ foundation
        ─▶ every process ready, node Ready ─▶ the platform's images ─▶ (unless bare) the platform

Each step first looks whether it is done, so a second `up` on a running instance only verifies, and brings
the platform to the version of this checkout. The instance itself is restarted only when its own files have
changed (other components, other ports, renewed certificates).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paas.node import build, doctor, images, instance, manifests, network, packages, platform, settings
from paas.node.components import COMPONENTS
from paas.node.errors import NodeError
from paas.node.paths import cache_root
from paas.node.registry_gc import registry_gc
from paas.node.spec import Instance, check_name, choose_subnets
from paas.node.toolchain import Progress

START_TIMEOUT = 90.0
DEFAULT_PORTS = {"http_port": 8080, "https_port": 8443, "api_port": 6443}


@dataclass(frozen=True, kw_only=True)
class UpOptions:
    """What the command line asked for; None means as before, or the default."""

    name: str = "default"
    http_port: int | None = None
    https_port: int | None = None
    api_port: int | None = None
    bare: bool = False
    settings: Mapping[str, Any] | None = None
    """Checked (`settings.read`); put over the platform's settings on this cluster."""


def up(options: UpOptions, *, install: platform.Install | None, progress: Progress) -> Instance:
    """Bring the instance up; NodeError with what to do next when it cannot be.

    `install` applies the platform's manifests; a bare instance gets a file for `paas install` instead.
    """
    check_name(options.name)
    doctor.require_machine()
    with instance.locked(options.name):
        changes = options.settings
        if changes is None:
            changes = settings.remembered(instance.folder_of(options.name))
        binaries, pause = _materials(progress)
        host = network.read()
        spec = spec_of(options, instance.load(options.name), binaries=binaries, pause=pause, host=host)
        running = instance.alive(spec) is not None
        if not running:
            doctor.require_ports(spec)
        changed = instance.prepare(spec, host)
        settings.remember(spec.state, changes)
        if running and changed:
            progress("The instance's own components or certificates have changed: restarting it")
            instance.stop(spec)
            running = False
        if not running:
            progress(f"Starting the cluster '{spec.name}'")
            instance.start(spec)
        wait_for(spec, ["kube-apiserver"])
        apply(spec, manifests.foundation(spec))
        _release_volume(spec)
        wait_for(spec, None)
        _wait_node(spec)
        image = platform.load(spec, kubectl=Kubectl(spec), progress=progress)
        installation = platform.installation(spec, platform_image=image, changes=changes)
        if options.bare or install is None:
            platform.write_installation(spec, installation)
        else:
            install(installation)
            program = str((spec.binaries / "registry").resolve())
            storage = str(spec.registry_storage)
            own = installation.settings.platform_image
            apply(spec, registry_gc(image=own, storage=storage, program=program))
    return spec


def spec_of(
    options: UpOptions, before: Instance | None, *, binaries: Path, pause: Path, host: network.HostNetwork
) -> Instance:
    """What the instance is: as the options say, else as before, else by default. Pure."""
    ports: dict[str, int] = {
        field: getattr(options, field) or (getattr(before, field) if before else default)
        for field, default in DEFAULT_PORTS.items()
    }
    if len(set(ports.values())) < len(ports):
        raise NodeError(
            f"The three ports must differ: {', '.join(map(str, ports.values()))}",
            next_step="choose others by --http-port, --https-port and --api-port",
        )
    # addresses are kept for life: Services and certificates have them
    subnets = before.subnets if before else choose_subnets(host.networks)
    return Instance(
        name=options.name,
        state=instance.folder_of(options.name),
        binaries=binaries,
        pause_image=pause,
        subnets=subnets,
        uplink=host.uplink or (before.uplink if before else "eth0"),
        http_port=ports["http_port"],
        https_port=ports["https_port"],
        api_port=ports["api_port"],
    )


def _materials(progress: Progress) -> tuple[Path, Path]:
    needed = packages.all_needs(("run", "images"))
    if build.missing(list(COMPONENTS)):
        needed |= packages.all_needs(("compile",))
    packages.ensure(needed, progress=progress)
    binaries = build.ensure(list(COMPONENTS), progress=progress)
    return binaries, images.pause(cache_root(), binaries)


class Kubectl:
    """The instance's own kubectl with the administrator's kubeconfig."""

    def __init__(self, spec: Instance) -> None:
        self._command = [str(spec.binaries / "kubectl"), f"--kubeconfig={spec.kubeconfig}"]

    def __call__(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """stdout of the command; NodeError when it fails and `check`."""
        result = subprocess.run(
            [*self._command, *arguments], input=stdin, capture_output=True, text=True, check=False
        )
        if check and result.returncode != 0:
            raise NodeError(
                f"`kubectl {' '.join(arguments[:3])}` failed: {result.stderr.strip()[-800:]}",
                why="the cluster's API server refused it or does not answer",
                next_step="run `paas up` again; `paas doctor` looks at the instance",
            )
        return result.stdout


def apply(spec: Instance, objects: Sequence[dict[str, Any]]) -> None:
    """Server-side apply of manifests, over changes that somebody made by hand."""
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    Kubectl(spec)(
        "apply", "--server-side", "--force-conflicts", "--field-manager=paas-node", "-f", "-", stdin=document
    )


def wait_for(spec: Instance, names: Sequence[str] | None, *, timeout: float = START_TIMEOUT) -> None:
    """Wait until these processes (None: all) are ready; NodeError with the log of one that fails."""

    def settled() -> bool:
        processes: dict[str, Any] = instance.read_status(spec).get("processes", {})
        chosen = {name: processes[name] for name in (names or processes) if name in processes}
        return bool(chosen) and all(process["state"] in ("ready", "done") for process in chosen.values())

    _until(spec, settled, timeout=timeout)


def _until(spec: Instance, condition: Callable[[], bool], *, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if instance.alive(spec) is None:
            raise NodeError(
                f"The instance ended while starting:\n{instance.tail(spec.logs / 'supervise.log')}",
                why="its init process died",
                next_step=f"look at {spec.logs}/supervise.log and run `paas up` again",
            )
        if time.monotonic() > deadline:
            raise _not_ready(spec, timeout)
        time.sleep(0.05)


def _not_ready(spec: Instance, timeout: float) -> NodeError:
    processes: dict[str, Any] = instance.read_status(spec).get("processes", {})
    unready = [name for name, process in processes.items() if process["state"] not in ("ready", "done")]
    # a process that waits for others is not the one to blame
    blamed = [name for name in unready if processes[name]["restarts"]] or [
        name for name in unready if processes[name]["state"] == "starting"
    ]
    name = (blamed or unready or ["kubelet"])[0]
    log = spec.logs / f"{name}.log"
    return NodeError(
        f"Not ready after {timeout:.0f} s: {', '.join(unready) or 'the node'}. The log of {name} ends:\n"
        f"{instance.tail(log)}",
        why="a component of the cluster does not become ready",
        next_step=f"look at {log}; `paas doctor` checks the machine; `paas down` stops the instance",
    )


def _wait_node(spec: Instance) -> None:
    kubectl = Kubectl(spec)

    def ready() -> bool:
        path = 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'
        return kubectl("get", "nodes", "-o", path, check=False).strip() == "True"

    _until(spec, ready, timeout=START_TIMEOUT)


def _release_volume(spec: Instance) -> None:
    """A claim that was deleted leaves its volume Released, bound to what no longer exists; the next claim of
    the same name must get it, with the repositories in it."""
    kubectl = Kubectl(spec)
    phase = kubectl(
        "get", "persistentvolume", "paas-repositories", "-o", "jsonpath={.status.phase}", check=False
    )
    if phase.strip() == "Released":
        patch = '[{"op": "remove", "path": "/spec/claimRef/uid"}]'
        kubectl("patch", "persistentvolume", "paas-repositories", "--type=json", f"--patch={patch}")


def down(name: str, *, purge: bool, progress: Progress) -> bool:
    """Stop the instance, and with `purge` forget it; whether there was anything to do."""
    check_name(name)
    with instance.locked(name):
        spec = instance.load(name)
        if spec is None:
            if not (purge and instance.folder_of(name).exists()):
                return False
            shutil.rmtree(instance.folder_of(name))
            return True
        if instance.alive(spec) is not None:
            progress(f"Stopping the cluster '{name}'")
        instance.stop(spec)
        if purge:
            progress(f"Removing {spec.state}")
            instance.purge(name)
    return True
