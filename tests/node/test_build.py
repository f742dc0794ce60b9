"""Compiling: atomic, resumable, one at a time, and nothing left of its caches.

Go itself is stood in for by a script that writes files as `go build` would: what is tested is what happens
around it. (The real compile is what every other test of the cluster runs on.)
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from paas.node import build, toolchain
from paas.node.errors import NodeError
from paas.node.toolchain import Toolchain

GO = """#!/bin/sh
case "$1" in
  list) exit 0 ;;
esac
mkdir -p "$GOCACHE" "$GOMODCACHE" && touch "$GOCACHE/big" "$GOMODCACHE/big"
while [ "$1" != -o ]; do shift; done
echo compiled >> "$COUNT"
{body}
case "$PWD" in
  */crane) echo crane > "$2/crane" ;;
  */cni) for tool in ptp loopback host-local portmap; do echo $tool > "$2/$tool"; done ;;
esac
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    monkeypatch.setattr(build, "_require_space", lambda root, components: None)
    go(tmp_path, monkeypatch)
    return tmp_path / "cache"


def go(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str = "") -> None:
    script = folder / "go"
    script.write_text(GO.replace("{body}", body))
    script.chmod(0o755)
    tools = Toolchain(version="1.26.6", go=script)
    monkeypatch.setattr(toolchain, "find", lambda root: tools)


def compiled(cache: Path) -> int:
    count = cache.parent / "count"
    return len(count.read_text().splitlines()) if count.exists() else 0


def silent(line: str) -> None:
    pass


def test_a_component_is_compiled_once_per_content(cache: Path) -> None:
    first = build.ensure(["crane", "cni"], progress=silent, cache=cache)
    assert {path.name for path in first.iterdir()} == {"crane", "ptp", "loopback", "host-local", "portmap"}
    assert (first / "crane").read_text() == "crane\n"
    assert build.ensure(["cni", "crane"], progress=silent, cache=cache) == first
    build.ensure(["crane"], progress=silent, cache=cache)
    assert compiled(cache) == 2
    assert build.missing(["crane", "etcd"], cache=cache) == ["etcd"]


def test_the_compile_leaves_no_caches_behind(cache: Path) -> None:
    build.ensure(["crane"], progress=silent, cache=cache)
    assert not (cache / "compile").exists()


def test_a_failed_compile_says_why_and_leaves_no_caches_behind(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(cache.parent, monkeypatch, 'echo "x.go:1: undefined: y" >&2; exit 1')
    with pytest.raises(NodeError) as raised:
        build.ensure(["crane"], progress=silent, cache=cache)
    assert "undefined: y" in str(raised.value)
    assert not (cache / "compile").exists()
    assert not list((cache / "bin").iterdir())


def test_a_full_disk_is_named_and_the_next_run_goes_on(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = 'case "$PWD" in */cni) ;; *) echo "write: no space left on device" >&2; exit 1 ;; esac'
    go(cache.parent, monkeypatch, full)
    with pytest.raises(NodeError) as raised:
        build.ensure(["cni", "crane"], progress=silent, cache=cache)
    assert "no space left" in raised.value.what
    assert "PAAS_CACHE" in raised.value.hint
    go(cache.parent, monkeypatch)
    build.ensure(["cni", "crane"], progress=silent, cache=cache)
    # cni was finished before the disk was full, so only crane was compiled again
    assert compiled(cache) == 3


def test_a_download_that_breaks_off_is_tried_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = 'if [ $(wc -l < "$COUNT") = 1 ]; then echo "read: connection reset by peer" >&2; exit 1; fi'
    go(cache.parent, monkeypatch, once)
    told: list[str] = []
    build.ensure(["crane"], progress=told.append, cache=cache)
    assert compiled(cache) == 2
    assert any("trying again" in line for line in told)


def test_a_killed_compile_is_no_result(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL in the middle: what it had written is not taken for a component."""
    go(cache.parent, monkeypatch, 'echo half > "$2/crane"; echo started > "$COUNT.started"; exec sleep 600')
    program = (
        "import sys, pathlib; from paas.node import build, toolchain;"
        "from paas.node.toolchain import Toolchain;"
        "toolchain.find = lambda root: Toolchain(version='1.26.6', go=pathlib.Path(sys.argv[2]));"
        "build._require_space = lambda root, components: None;"
        "build.ensure(['crane'], progress=print, cache=pathlib.Path(sys.argv[1]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(cache), str(cache.parent / "go")], start_new_session=True
    )
    started = cache.parent / "count.started"
    while not started.exists():
        assert process.poll() is None
    os.killpg(process.pid, 9)
    process.wait()
    assert build.missing(["crane"], cache=cache) == ["crane"]
    go(cache.parent, monkeypatch)
    folder = build.ensure(["crane"], progress=silent, cache=cache)
    assert (folder / "crane").read_text() == "crane\n"
    assert not (cache / "compile").exists()


def test_a_second_run_waits_for_the_first(cache: Path) -> None:
    cache.mkdir()
    told: list[str] = []
    waiting = threading.Event()

    def progress(line: str) -> None:
        told.append(line)
        waiting.set()

    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(
            target=lambda: build.ensure(["crane"], progress=progress, cache=cache), daemon=True
        )
        second.start()
        assert waiting.wait(timeout=10)
        assert "waiting" in told[0]
        assert compiled(cache) == 0
    second.join(timeout=10)
    assert compiled(cache) == 1


def test_too_little_space_is_said_before_anything_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "SPACE_FOR_SOME", 10**9)
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    go(tmp_path, monkeypatch)
    with pytest.raises(NodeError, match="Too little disk space"):
        build.ensure(["crane"], progress=silent, cache=tmp_path / "cache")
    assert compiled(tmp_path / "cache") == 0


def test_an_unknown_component_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no such component: dockerd"):
        build.ensure(["dockerd"], progress=silent, cache=tmp_path)
