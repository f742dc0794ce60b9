"""Names as people type them: `shop` or `bc/shop`."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from paas.terminal.problem import Problem, usage


def plain_name(given: str, words: tuple[str, ...]) -> str:
    """`shop` of `shop` or `bc/shop`, where `words` are the kind's names, the one to show first. Raises
    Problem (usage) when another kind is named."""
    word, slash, name = given.rpartition("/")
    if not name or (slash and word.lower().partition(".")[0] not in words):
        kind = words[-1]
        article = "an" if kind[0] in "aeio" else "a"
        raise usage(f'"{given}" does not name {article} {kind}', hint=f"write {words[0]}/{name or 'NAME'}")
    return name


def variable_not_text(name: str) -> Problem:
    """The value of a variable holds bytes that are no text."""
    return usage(
        f"the value of {name} is not valid UTF-8",
        why="Kubernetes keeps variables as Unicode text",
        hint=f'give the bytes as text, for instance {name}="$(base64 -w 0 FILE)", and decode them in the '
        "application",
    )


def user_text(username: str) -> str:
    """A user as people say it: `alice`, and an account as `account ci of project demo`, which Kubernetes
    calls `system:serviceaccount:demo:ci`."""
    project, colon, account = username.removeprefix(ACCOUNT_PREFIX).partition(":")
    if not username.startswith(ACCOUNT_PREFIX) or not colon:
        return username
    return f"account {account} of project {project}"


def instead(name: str, known: Iterable[str], command: str, kind: str, project: str) -> str:
    """What to type when nothing is called `name`: the command with a known name that looks like it, else
    the list of the kind."""
    where = f" -n {project}"
    close = get_close_matches(name, sorted(known), n=3)
    if close:
        return f"did you mean {' or '.join(f'{command} {each}{where}' for each in close)}?"
    return f"paas get {kind}{where}"


ACCOUNT_PREFIX = "system:serviceaccount:"
APP_WORDS = ("app", "apps", "application", "applications")
BUILDCONFIG_WORDS = ("bc", "buildconfigs", "buildconfig")
BUILD_WORDS = ("build", "builds", "build")
DEPLOYMENTCONFIG_WORDS = ("dc", "deploymentconfigs", "app", "deploymentconfig")
