"""Compiling the cluster's components, once per content.

    ensure(["etcd", "kubernetes"]) -> a folder with those binaries

Each component lands in `<cache>/bin/<name>-<key>/` by an atomic rename, so a folder that exists is whole.
A set of components is a folder of links, `<cache>/sets/<key of the keys>/`, which is what callers get.

Go's own caches grow to more than 20 GB; they live in `<cache>/compile/` and are deleted when the compile
ends, well or badly. Only a killed compile leaves them behind, and the next one goes on from them. One lock
file keeps two runs from compiling at the same time: the second waits and then finds the work done.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from paas.node import toolchain
from paas.node.components import COMPONENTS, Component, Estimate, component_key, in_words
from paas.node.errors import NodeError
from paas.node.paths import cache_root
from paas.node.toolchain import Progress, Toolchain

# Peak of Go's caches plus the results, in GiB, by what has to be compiled.
SPACE_FOR_ALL = 20
SPACE_FOR_SOME = 10
HEARTBEAT = 15.0  # seconds between two progress lines
ATTEMPTS = 3  # a download may fail on the way


def ensure(components: Sequence[str], *, progress: Progress, cache: Path | None = None) -> Path:
    """A folder with the binaries of these components, compiled if the cache does not have them.

    `progress` gets whole lines for a person. Raises NodeError with what to do next; KeyError for an
    unknown component.
    """
    root = cache or cache_root()
    wanted = [component for name, component in COMPONENTS.items() if name in set(components)]
    if unknown := set(components) - set(COMPONENTS):
        raise KeyError(f"no such component: {', '.join(sorted(unknown))}")
    found = toolchain.find(root)
    places = {component.name: _place(root, component, found) for component in wanted}
    if not all(place.is_dir() for place in places.values()):
        try:
            root.mkdir(parents=True, exist_ok=True)
            with _lock(root, progress):
                missing = [component for component in wanted if not places[component.name].is_dir()]
                if missing:
                    _compile(root, missing, progress)
        except OSError as error:
            raise _os_error(root, error) from error
    return _link_set(root, wanted, places)


def missing(components: Sequence[str], *, cache: Path | None = None) -> list[str]:
    """Which of these components would have to be compiled."""
    root = cache or cache_root()
    found = toolchain.find(root)
    return [name for name in components if not _place(root, COMPONENTS[name], found).is_dir()]


def _place(root: Path, component: Component, found: Toolchain) -> Path:
    return root / "bin" / f"{component.name}-{component_key(component, toolchain=found.identity)}"


@contextlib.contextmanager
def _lock(root: Path, progress: Progress) -> Iterator[None]:
    with (root / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Another paas is compiling the cluster's components; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compile(root: Path, components: list[Component], progress: Progress) -> None:
    _require_space(root, components)
    tools = toolchain.require(root, progress=progress)
    caches = root / "compile"
    environment = _environment(caches)
    estimate = Estimate(weights=tuple(component.weight for component in components))
    progress(
        f"Compiling {len(components)} of the cluster's components, {in_words(sum(estimate.weights))} on two "
        "cores; later runs take them from the cache"
    )
    prefetch = Prefetch(tools, components[1:], environment)
    try:
        prefetch.start()
        for number, component in enumerate(components, start=1):
            began = time.monotonic()
            label = f"{component.name} ({number} of {len(components)})"
            _compile_one(
                root, tools, component, environment, label=label, estimate=estimate, progress=progress
            )
            took = time.monotonic() - began
            estimate = Estimate(weights=estimate.weights, done=(*estimate.done, took))
            left = estimate.remaining(running_for=0)
            rest = f", {in_words(left)} left" if number < len(components) else ""
            progress(f"{label}: compiled in {took:.0f} s{rest}")
    finally:
        prefetch.stop()
        shutil.rmtree(caches, ignore_errors=True)


def _environment(caches: Path) -> dict[str, str]:
    kept = {
        key: value for key, value in os.environ.items() if key not in ("GOFLAGS", "GOOS", "GOARCH", "GOBIN")
    }
    return {
        **kept,
        "GOMODCACHE": str(caches / "modules"),
        "GOCACHE": str(caches / "build"),
        "GOPATH": str(caches / "path"),
        "GOTMPDIR": str(_made(caches / "tmp")),
        "GOFLAGS": "-buildvcs=false -mod=readonly -modcacherw",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOENV": "off",
        **{
            key: os.environ[key]
            for key in ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE")
            if key in os.environ
        },
    }


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Prefetch:
    """Downloads what later components need while the first ones compile.

    Its failures are left to the compile itself, which says what is wrong.
    """

    def __init__(
        self, tools: Toolchain, components: Sequence[Component], environment: Mapping[str, str]
    ) -> None:
        self._tools, self._components, self._environment = tools, components, environment
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when no download runs any more, so that the caches can be deleted."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        for component in self._components:
            process = subprocess.Popen(
                [str(self._tools.go), "list", "-deps", component.target],
                cwd=component.folder,
                env=dict(self._environment),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while process.poll() is None:
                if self._stopped.wait(timeout=0.2):
                    process.kill()
                    process.wait()
            if self._stopped.is_set():
                return


def _compile_one(
    root: Path,
    tools: Toolchain,
    component: Component,
    environment: Mapping[str, str],
    *,
    label: str,
    estimate: Estimate,
    progress: Progress,
) -> None:
    target = _place(root, component, tools)
    staging = target.with_name(target.name + ".part")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    command = [str(tools.go), "build", "-o", f"{staging}/", *component.arguments]
    began = time.monotonic()
    for attempt in range(1, ATTEMPTS + 1):
        log = root / f"compile-{component.name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=component.folder,
                env={**environment, "CGO_ENABLED": "1" if component.cgo else "0"},
                stdout=output,
                stderr=output,
            )
            try:
                while True:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(timeout=HEARTBEAT)
                        break
                    left = in_words(estimate.remaining(running_for=time.monotonic() - began))
                    progress(f"{label}: compiling for {time.monotonic() - began:.0f} s, {left} left in all")
            except BaseException:
                process.kill()
                process.wait()
                raise
        if process.returncode == 0:
            break
        said = log.read_text(errors="replace").strip()
        if attempt == ATTEMPTS or not _may_pass(said):
            shutil.rmtree(staging, ignore_errors=True)
            raise _compile_error(root, component, said, log)
        progress(f"{label}: a download failed, trying again ({attempt} of {ATTEMPTS - 1})")
    log.unlink(missing_ok=True)
    _arrange(component, staging)
    shutil.rmtree(target, ignore_errors=True)
    staging.rename(target)


def _may_pass(output: str) -> bool:
    """Whether a failure looks like the network's, which may be gone with the next attempt."""
    return any(
        sign in output
        for sign in (
            "connection reset",
            "i/o timeout",
            "TLS handshake timeout",
            "unexpected EOF",
            "502 Bad",
            "503 Service",
        )
    )


def _arrange(component: Component, folder: Path) -> None:
    """Final names and links; NodeError-free by construction, asserted for the pinned module."""
    for built, final in component.renames:
        (folder / built).rename(folder / final)
    for name, target in component.links:
        (folder / name).symlink_to(target)
    absent = [name for name in component.binaries if not (folder / name).exists()]
    if absent:
        raise NodeError(
            f"compiling {component.name} gave no {', '.join(absent)}",
            why=f"its module under {component.folder} builds something else now",
            next_step="restore that folder from the repository",
        )


def _link_set(root: Path, wanted: list[Component], places: Mapping[str, Path]) -> Path:
    key = hashlib.sha256("\n".join(str(places[component.name]) for component in wanted).encode()).hexdigest()[
        :16
    ]
    target = root / "sets" / key
    if target.is_dir():
        return target
    staging = target.with_name(f"{key}.{os.getpid()}.part")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for component in wanted:
        for binary in component.binaries:
            (staging / binary).symlink_to(places[component.name] / binary)
    try:
        staging.rename(target)
    except OSError:  # another process made the same set meanwhile
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _require_space(root: Path, components: list[Component]) -> None:
    needed = SPACE_FOR_ALL if len(components) > 3 else SPACE_FOR_SOME
    free = shutil.disk_usage(root).free / 2**30
    if free < needed:
        raise NodeError(
            f"Too little disk space at {root}: {free:.0f} GiB free, {needed} GiB needed while compiling",
            why="Go keeps modules and intermediate results there until the compile is done (1 GiB stays)",
            next_step=f"free some space, or set PAAS_CACHE to a folder on a larger disk, and run the same "
            f"command again; what is compiled already is kept ({root / 'bin'})",
        )


def _os_error(root: Path, error: OSError) -> NodeError:
    return NodeError(
        f"Compiling stopped: {error}",
        why="the disk is full" if error.errno == 28 else f"the cache folder {root} could not be used",
        next_step="fix that (`df -h`, or another folder by PAAS_CACHE) and run the same command again; "
        "it goes on after the last component that was finished",
    )


def _compile_error(root: Path, component: Component, said: str, log: Path) -> NodeError:
    if "no space left on device" in said:
        return NodeError(
            f"Compiling {component.name} stopped: no space left on device ({root})",
            why=f"a compile needs up to {SPACE_FOR_ALL} GiB there for a while; its caches have been removed",
            next_step="free some space, or set PAAS_CACHE to a folder on a larger disk, and run the same "
            "command again; it goes on after the last component that was finished",
        )
    return NodeError(
        f"Compiling {component.name} failed:\n{said[-1500:]}",
        why="the Go modules could not be loaded or compiled",
        next_step=f"look at {log}; when a download failed, run the same command again",
    )


def main(arguments: Sequence[str]) -> int:
    """`python -m paas.node.build [component…]` prints the folder with the binaries."""
    try:
        folder = ensure(
            arguments or list(COMPONENTS), progress=lambda line: print(line, file=sys.stderr, flush=True)
        )
    except (NodeError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
