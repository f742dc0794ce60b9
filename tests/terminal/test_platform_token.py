"""The token by which a person is known to the platform: whose it is, and how it is kept."""

from __future__ import annotations

import http.client
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from paas.terminal import platform_token
from paas.terminal.kubeconfig import Login

LOGIN = Login(context="c", server="https://x", namespace="demo", user="me", certificate="PEM", key="KEY")


def keep(login: Login, folder: Path, token: str, *, project: str = "demo", expires: float = 0.0) -> None:
    platform_token.keep_token(
        login, project, token, expires or time.time() + 3600, environment={"XDG_CACHE_HOME": str(folder)}
    )


def kept(login: Login, folder: Path, *, project: str = "demo", now: float = 0.0) -> str | None:
    found = platform_token.kept_token(
        login, project, environment={"XDG_CACHE_HOME": str(folder)}, now=now or time.time()
    )
    return found[0] if found else None


def test_a_token_is_kept_privately_and_not_used_in_its_last_minutes(tmp_path: Path) -> None:
    now = time.time()
    keep(LOGIN, tmp_path, "secret", expires=now + 3600)
    (file,) = (tmp_path / "paas").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert kept(LOGIN, tmp_path, now=now) == "secret"
    assert kept(LOGIN, tmp_path, now=now + 3600 - platform_token.MARGIN) is None


def test_a_kept_token_that_others_could_have_written_or_read_is_not_used(tmp_path: Path) -> None:
    keep(LOGIN, tmp_path, "mine")
    (file,) = (tmp_path / "paas").iterdir()
    for folder, mode, believed in ((0o700, 0o640, False), (0o770, 0o600, False), (0o755, 0o600, True)):
        file.parent.chmod(folder)
        file.chmod(mode)
        assert (kept(LOGIN, tmp_path) is not None) is believed


def test_a_damaged_kept_token_is_not_used(tmp_path: Path) -> None:
    keep(LOGIN, tmp_path, "mine")
    (file,) = (tmp_path / "paas").iterdir()
    for text in ("not json", "[]", "{}", '{"token": "x", "expires": "soon"}', ""):
        file.write_text(text)
        assert kept(LOGIN, tmp_path) is None


def test_each_login_and_project_has_a_kept_token_of_its_own(tmp_path: Path) -> None:
    logins = [
        LOGIN,
        replace(LOGIN, certificate="other"),
        replace(LOGIN, server="https://y"),
        replace(LOGIN, ca="new"),
    ]
    each = [(login, project) for login in logins for project in ("demo", "other")]
    for number, (login, project) in enumerate(each):
        keep(login, tmp_path, str(number), project=project)
    assert [kept(login, tmp_path, project=project) for login, project in each] == [*map(str, range(8))]


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
