"""Names as people type them: `shop` or `bc/shop`."""

from __future__ import annotations

from paas.terminal.problem import usage


def plain_name(given: str, words: tuple[str, ...]) -> str:
    """`shop` of `shop` or `bc/shop`, where `words` are the kind's names, the one to show first. Raises
    Problem (usage) when another kind is named."""
    word, slash, name = given.rpartition("/")
    if not name or (slash and word.lower().partition(".")[0] not in words):
        raise usage(f'"{given}" does not name a {words[-1]}', hint=f"write {words[0]}/{name or 'NAME'}")
    return name


APP_WORDS = ("app", "apps", "application", "applications")
BUILDCONFIG_WORDS = ("bc", "buildconfigs", "buildconfig")
BUILD_WORDS = ("build", "builds", "build")
DEPLOYMENTCONFIG_WORDS = ("dc", "deploymentconfigs", "app", "deploymentconfig")
