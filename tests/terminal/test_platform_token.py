"""The token by which a person is known to the platform: whose it is, and how it is kept."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from paas.terminal import platform_token
from paas.terminal.kubeconfig import Login

LOGIN = Login(context="c", server="https://x", namespace="demo", user="me", certificate="PEM", key="KEY")


def test_a_token_is_kept_privately_and_not_used_in_its_last_minutes(tmp_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    path = platform_token.cache_file(LOGIN, "demo", environment)
    now = time.time()
    platform_token.write_cache(path, "secret", now + 3600)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert platform_token.read_cache(path, now=now) == ("secret", now + 3600)
    assert platform_token.read_cache(path, now=now + 3600 - platform_token.MARGIN) is None


def test_a_kept_token_that_others_could_have_written_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(json.dumps({"token": "theirs", "expires": time.time() + 3600}))
    path.chmod(0o640)
    assert platform_token.read_cache(path, now=time.time()) is None
    path.chmod(0o600)
    assert platform_token.read_cache(path, now=time.time()) is not None
    link = tmp_path / "link"
    link.symlink_to(path)
    assert platform_token.read_cache(link, now=time.time()) is None
    path.write_text("not json")
    assert platform_token.read_cache(path, now=time.time()) is None


def test_each_login_and_project_has_a_kept_token_of_its_own(tmp_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    logins = [
        LOGIN,
        replace(LOGIN, certificate="other"),
        replace(LOGIN, server="https://y"),
        replace(LOGIN, ca="new"),
    ]
    files = {platform_token.cache_file(login, p, environment) for login in logins for p in ("demo", "other")}
    assert len(files) == 8


def test_the_runtime_folder_is_preferred_when_it_can_be_written(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    environment = {"XDG_RUNTIME_DIR": str(runtime), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert platform_token.cache_folder(environment) == tmp_path / "cache" / "paas"
    runtime.mkdir()
    assert platform_token.cache_folder(environment) == runtime / "paas"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (http.client.BadStatusLine("SSH-2.0"), "does not answer"),
        (http.client.IncompleteRead(b"{"), "does not answer"),
        (ConnectionResetError(104, "reset"), "does not answer"),
        (b"<html>log in", "it gave no token"),
        (b'{"kind": "Status"}', "it gave no token"),
        (b"[]", "it gave no token"),
    ],
)
def test_whatever_answers_in_place_of_the_api_server_a_person_is_told(
    answer: Exception | bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Connection:
        def __init__(self, *_: object) -> None: ...
        def request(self, *_: object) -> None: ...
        def close(self) -> None: ...
        def getresponse(self) -> SimpleNamespace:
            if isinstance(answer, Exception):
                raise answer
            return SimpleNamespace(status=200, read=lambda: answer)

    monkeypatch.setattr(platform_token, "_Connection", Connection)
    login = Login("here", "https://127.0.0.1:6443", "demo", "me", certificate="c", key="k")
    with pytest.raises(platform_token.Refused, match=said):
        platform_token.request_token(login, "demo")


def test_a_full_disk_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dump", full)
    platform_token.write_cache(tmp_path / "token-x", "secret", 1.0)
    assert list(tmp_path.iterdir()) == []
