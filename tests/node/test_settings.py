"""Settings that an administrator puts over the embedded cluster's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from paas.node import settings
from paas.node.errors import NodeError
from paas.settings import BuildSettings, Settings
from paas.terminal.problem import ExitCode

BASE = Settings(https_port=8443, platform_image="paas:1", builds=BuildSettings(kaniko_image="kaniko:1"))


def test_what_is_given_wins_and_the_rest_stays(tmp_path: Path) -> None:
    file = tmp_path / "given.yaml"
    file.write_text(
        "resyncSeconds: 60\nbuilds: {memoryLimit: 2Gi}\nsources:\n  allowedAddresses: [10.0.0.0/8]\n"
    )
    merged = settings.merge(BASE, settings.read(file), origin="test")
    assert merged == BASE.model_copy(
        update={
            "resync_seconds": 60,
            "builds": BASE.builds.model_copy(update={"memory_limit": "2Gi"}),
            "sources": BASE.sources.model_copy(update={"allowed_addresses": ("10.0.0.0/8",)}),
        }
    )


@pytest.mark.parametrize(
    ("text", "named", "hint"),
    [
        ("sources: {allowedAdresses: [10.0.0.0/8]}", "sources.allowedAdresses", "allowedAddresses"),
        ("sources: {allowedAddresses: [10.0.0.0/40]}", "sources.allowedAddresses.0", "correct it"),
        ("sources: {pushLimitBytes: many}", "sources.pushLimitBytes", "correct it"),
        ("sources: everything", "sources", "correct it"),
        ("resync_seconds: 60", "resync_seconds", "resyncSeconds"),
        ("builds: {hostUsers: maybe}", "builds.hostUsers", "correct it"),
        ("httpsPort: 9443", "httpsPort", "leave it out"),
        ("platformImage: mine", "platformImage", "leave it out"),
        ("- 1", "not a mapping", "docs/"),
        ("a: [", "not YAML", "docs/"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str, hint: str) -> None:
    file = tmp_path / "given.yaml"
    file.write_text(text)
    with pytest.raises(NodeError) as refused:
        settings.read(file)
    assert refused.value.code is ExitCode.USAGE
    assert named in refused.value.what
    assert str(file) in refused.value.what
    assert hint in refused.value.hint


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"absent\.yaml"):
        settings.read(tmp_path / "absent.yaml")


def test_it_is_remembered_until_an_empty_file_forgets_it(tmp_path: Path) -> None:
    assert settings.remembered(tmp_path) == {}
    given = {"sources": {"allowedAddresses": ["10.0.0.0/8"]}}
    settings.remember(tmp_path, given)
    assert settings.remembered(tmp_path) == given
    empty = tmp_path / "empty.yaml"
    empty.write_text("# nothing\n")
    settings.remember(tmp_path, settings.read(empty))
    assert settings.remembered(tmp_path) == {}
    assert not (tmp_path / settings.FILE).exists()
