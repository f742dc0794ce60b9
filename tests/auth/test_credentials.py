"""A file without a key in it is no key, and is read again until it has one."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from paas.auth.credentials import key_of, project_credential
from paas.builds.controller import BuildsController
from paas.kube.cluster import Cluster
from paas.kube.view import View
from paas.projects.controller import ProjectsController
from paas.settings import Settings

KEY = "0123456789abcdef0123456789abcdef"
NAMESPACE = {"metadata": {"name": "demo", "uid": "1"}}


@pytest.mark.parametrize("text", ["", "\n", KEY[1:]])
def test_what_is_too_short_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match="at least 32 characters"):
        key_of(text)
    with pytest.raises(ValueError, match="at least 32 characters"):
        project_credential(text.encode(), "1")


@pytest.mark.parametrize("content", [None, "", "short"])
def test_the_operator_finds_no_key_until_there_is_one(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "credentials.key"
    if content is not None:
        file.write_text(content)
    settings = Settings(credentials_key_file=file)
    builds = BuildsController(cluster=cast(Cluster, None), view=View(), settings=settings)
    projects = ProjectsController(cluster=cast(Cluster, None), view=View(), settings=settings)
    assert builds._credential_key() is None
    assert projects._pull_password(NAMESPACE) is None
    file.write_text(f"{KEY}\n")
    assert builds._credential_key() == KEY.encode()
    assert projects._pull_password(NAMESPACE) == project_credential(KEY.encode(), "1")
