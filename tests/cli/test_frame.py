"""Help, version, headings, and what is said to words that are no commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paas.cli import elsewhere
from paas.cli.frame import HEADINGS
from paas.cli.main import command_line, run
from paas.terminal.group import Group

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "help-at-80-columns.txt"


@pytest.fixture(autouse=True)
def at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def commands(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, Group):
            yield from commands(command, *path, name)


ALL = dict(commands(command_line()))


def test_help_at_80_columns_is_as_it_was_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    """After a change: `COLUMNS=80 paas > tests/cli/help-at-80-columns.txt`, and look at it."""
    assert run([]) == 0
    assert capsys.readouterr().out == GOLDEN.read_text()


@pytest.mark.parametrize("arguments", [[], ["rollout"], ["set"]], ids=" ".join)
def test_a_group_alone_prints_its_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 0
    alone = capsys.readouterr()
    assert run([*arguments, "--help"]) == 0
    assert alone.out == capsys.readouterr().out
    assert run(["help", *arguments]) == 0
    assert alone.out == capsys.readouterr().out
    assert (alone.out.startswith("Usage: paas"), alone.err) == (True, "")


@pytest.mark.parametrize("path", [(), *ALL], ids=" ".join)
def test_every_help_fits_80_columns_and_nothing_is_cut(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["help", *path]) == 0
    usage, *lines = capsys.readouterr().out.splitlines()
    for line in [usage, *lines]:
        assert len(line) <= 80, line
    if not path or isinstance(ALL[path], Group):
        assert not any("..." in line for line in lines)


def test_every_command_is_under_a_heading_and_every_heading_has_commands() -> None:
    placed = [name for names in HEADINGS.values() for name in names]
    assert sorted(placed) == sorted(name for (name, *rest), c in ALL.items() if not rest and not c.hidden)


def test_the_version_says_the_commit(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    words = capsys.readouterr().out.split()
    assert words[0] == "paas"
    assert words[1][0].isdigit()
    if (ROOT / ".git").exists():
        assert words[2] == "(commit"


@pytest.mark.parametrize("word", sorted(elsewhere.WORDS))
def test_words_from_elsewhere_are_answered(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (word,) not in ALL, "it is a command of ours by now"
    assert run([word, "shop"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        f'error: there is no command "paas {word}"',
        f"hint: {elsewhere.WORDS[word]}",
    ]


@pytest.mark.parametrize("words", [elsewhere.WORDS, elsewhere.IN_ROLLOUT, elsewhere.IN_SET])
def test_what_is_recommended_exists(words: dict[str, str]) -> None:
    for hint in words.values():
        for part in hint.replace("$(", " ").replace(")", " ").split("paas ")[1:]:
            first, *rest = part.split()
            if first.rstrip(",") not in ("main", "--version"):
                command = ALL[first.rstrip(","),]
                assert not isinstance(command, Group) or (first, rest[0]) in ALL, hint


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["stauts"], "did you mean paas status?"),
        (["xyzzy"], "paas --help lists the commands"),
        (["rollout", "restart", "shop"], "paas rollout latest APP"),
        (["rollout", "undoo"], "did you mean paas rollout undo?"),
        (["set", "image"], elsewhere.IN_SET["image"]),
        (["help", "stauts"], "did you mean paas status?"),
        (["rolback", "shop"], "paas rollout undo APP"),
        (["pause", "shop"], elsewhere.IN_ROLLOUT["pause"]),
        (["secrets"], "paas get secrets"),
        (["config:set", "A=1"], elsewhere.WORDS["config:set"]),
        (["addons:create", "postgresql"], elsewhere.WORDS["addons"]),
        (["pg:psql"], elsewhere.WORDS["pg"]),
        (["access:add", "bob@example.com"], elsewhere.WORDS["access"]),
        (["webhooks:add"], "did you mean paas webhooks?"),
        (["get", "pods", "-o"], "paas get --help"),
        (["rollout", "undo", "shop", "--to-revision"], "paas rollout undo --help"),
        (["up", "--http-port", "70000"], "paas up --help"),
    ],
)
def test_a_wrong_word(arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr().err.splitlines()[1:] == [f"hint: {hint}"]


def test_a_wrong_value_is_said_in_our_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "-o", "xml"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == (
        "error: invalid value for '--output' / '-o': "
        "'xml' is not one of 'table', 'wide', 'json', 'yaml', 'name'"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "first", "hint"),
    [
        (["--kubeconfig", "/nosuch", "status"], 1, "(no file /nosuch)", "a file that exists"),
        (["new-app", "git@example.com:me/shop.git"], 2, "cannot be built from", "paas new-app https://"),
        (["new-app", "{app}", "--dry-run"], 1, "there is no kubeconfig", "-n PROJECT"),
        (["new-app", "{app}", "--dry-run", "-n", "demo", "-o", "name"], 0, "--> Found", ""),
    ],
)
def test_without_a_kubeconfig_what_is_wrong_by_itself_comes_first(
    arguments: list[str],
    code: int,
    first: str,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    app = tmp_path / "shop"
    subprocess.run(["git", "init", "-q", str(app)], check=True)
    (app / "Dockerfile").write_text("FROM scratch\n")
    assert run([word.format(app=app) for word in arguments]) == code
    lines = capsys.readouterr().err.splitlines()
    assert first in lines[0]
    assert hint in lines[-1]


def test_where_to_work_may_be_said_before_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seen: list[tuple[Any, ...]] = []

    async def project(session: Any) -> str:
        seen.append((session.namespace, session.context, session.kubeconfig))
        return "demo"

    monkeypatch.setattr("paas.terminal.session.Session.project", project)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    run(["-n", "one", "--context", "c", "new-app", str(tmp_path), "--dry-run"])
    run(["-n", "one", "new-app", str(tmp_path), "--dry-run", "-n", "two", "--kubeconfig", "k"])
    assert seen == [("one", "c", None), ("two", None, Path("k"))]
    capsys.readouterr()
    assert run(["-n", "one", "down"]) == 2
    assert capsys.readouterr().err.startswith("error: paas down has no option --namespace\n")
    assert run(["-n", "one", "rollout"]) == 0, "a group leaves its options to its commands"


HEAVY = {"kubernetes", "pydantic", "aiohttp", "dulwich", "fastapi", "cryptography", "jinja2", "yaml", "rich"}


@pytest.mark.parametrize(
    ("arguments", "light"),
    [(["--help"], HEAVY), (["git-credential", "--help"], HEAVY - {"yaml"} | {"typer", "asyncio"})],
    ids=["help", "git-credential"],
)
def test_starting_imports_nothing_heavy(arguments: list[str], light: set[str]) -> None:
    script = (
        "import sys\nfrom paas.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not light & set(done.stderr.split())


@pytest.mark.parametrize(
    ("argv", "usage"),
    [
        (["status"], "Usage: paas status [OPTIONS] [APP]"),
        (["project"], "Usage: paas project [OPTIONS] [NAME]"),
        (["rollout", "undo"], "Usage: paas rollout undo [OPTIONS] NAME"),
    ],
)
def test_usage_shows_arguments_as_they_are_typed(
    argv: list[str], usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*argv, "--help"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == usage
