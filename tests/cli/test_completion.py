"""Completion never holds the shell up."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from paas.cli import completion


def test_a_login_command_that_does_not_end_offers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs within the loop, whose own time limit it would hold up, too."""
    monkeypatch.setattr(completion, "WITHIN", 0.2)
    monkeypatch.delenv("PAAS_DEBUG", raising=False)
    config = tmp_path / "config"
    config.write_text(
        f"""
current-context: here
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
clusters: [{{name: here, cluster: {{server: "https://127.0.0.1:1"}}}}]
users:
- name: me
  user: {{exec: {{command: "{sys.executable}", args: [-c, "import time; time.sleep(50)"]}}}}
"""
    )
    root = SimpleNamespace(params={"kubeconfig": str(config)})
    context = SimpleNamespace(params={}, find_root=lambda: root)
    began = time.monotonic()
    assert completion.offered(context, "dc", "") == []
    assert time.monotonic() - began < 20
