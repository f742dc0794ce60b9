"""Names: what may be one, what is suggested, how people write them."""

from __future__ import annotations

import pytest

from paas.templates import naming
from paas.terminal.naming import BUILDCONFIG_WORDS, plain_name
from paas.terminal.problem import Problem


@pytest.mark.parametrize("name", ["a", "shop", "shop-2", "a" * 52])
def test_good_names(name: str) -> None:
    assert naming.problem_of(name) is None


@pytest.mark.parametrize(
    "name", ["", "Shop", "2shop", "shop-", "-shop", "sh_op", "sh.op", "a" * 53, "shop\n", "ä"]
)
def test_bad_names_say_why(name: str) -> None:
    assert naming.problem_of(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My Shop", "my-shop"), ("shop.git", "shop"), ("2048-game", "game"), ("a__b", "a-b"),
        ("日本", ""), ("x" * 60, "x" * 52), ("..", ""), ("a" * 51 + "-b", "a" * 51),
    ],
)  # fmt: skip
def test_a_name_is_made_of_a_folder(text: str, name: str) -> None:
    assert naming.suggestion(text) == name
    assert not name or naming.problem_of(name) is None


@pytest.mark.parametrize(
    ("url", "name"),
    [("https://h/team/shop.git", "shop"), ("https://h/shop/", "shop"), ("https://h/a/b.c", "b.c")],
)
def test_the_last_part_of_a_url(url: str, name: str) -> None:
    assert naming.last_part(url) == name


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("A=b", ("A", "b")), ("A=", ("A", "")), ("A=b=c", ("A", "b=c")), ("A", None), ("=b", None),
        ("1A=b", None), ("A-B=c", None), ("A=b\nc", ("A", "b\nc")),
    ],
)  # fmt: skip
def test_variables(text: str, pair: tuple[str, str] | None) -> None:
    assert naming.variable(text) == pair


def test_a_name_with_or_without_its_kind() -> None:
    for given in ("shop", "bc/shop", "BuildConfig/shop", "buildconfig.paas.dev/shop"):
        assert plain_name(given, BUILDCONFIG_WORDS) == "shop"
    for given in ("dc/shop", "bc/", ""):
        with pytest.raises(Problem):
            plain_name(given, BUILDCONFIG_WORDS)
