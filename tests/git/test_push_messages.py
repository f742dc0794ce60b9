"""What a pusher reads about a push before its Build is followed."""

from __future__ import annotations

import pytest
from dulwich.protocol import pkt_line

from paas.api.build import Person, TriggerType
from paas.api.build_request import BuildRequest
from paas.api.resources import Key
from paas.git.protocol import FLUSH, parse_report, reworded
from paas.git.push import Built, Stored
from paas.git.push_messages import further, outcome, refusal

ACCOUNT = "system:serviceaccount:demo"
ALICE = Person(name="Alice", email="alice@example.com")


@pytest.mark.parametrize(
    ("user", "author", "said"),
    [
        ("bob", ALICE, "bob"),
        (f"{ACCOUNT}:pusher", ALICE, "Alice"),
        (f"{ACCOUNT}:pusher", None, "account pusher of project demo"),
        (f"{ACCOUNT}:pusher", Person(name=""), "account pusher of project demo"),
        (f"{ACCOUNT}:ci", ALICE, "account ci of project demo"),
        ("https://login.example#a:pusher", ALICE, "https://login.example#a:pusher"),
        (None, ALICE, "Alice"),
        (None, None, "unknown"),
    ],
)
def test_the_first_line_names_a_person(user: str | None, author: Person | None, said: str) -> None:
    request = BuildRequest(
        "push-1", TriggerType.PUSH, user=user, author=author,
        commit="3f2c9ab" + "0" * 33, ref="main", commit_message="Fix login\n",
    )  # fmt: skip
    build = {"metadata": {"name": "shop-7"}}
    first, second, *_ = outcome(Key("demo", "shop"), Built("main", request, (), build))
    assert first == f'-----> Received main 3f2c9ab "Fix login" ({said})'
    assert second == "       Cut off? It goes on without you: paas logs -f build/shop-7 -n demo"


def test_branches_are_quoted_in_the_command_that_deploys_them() -> None:
    lines = outcome(Key("demo", "shop"), Stored("new", "main;id>$(x)"))
    assert "       To deploy these commits: git push paas 'new:main;id>$(x)'" in lines
    assert "       To deploy these commits: git push paas new:main" in outcome(
        Key("demo", "shop"), Stored("new", "main")
    )


def test_who_comes_second_is_told_what_to_do() -> None:
    """git speaks of its lock file; what follows "ng" is shown by the pusher's git."""
    lines = (
        "unpack ok\n",
        "ok refs/heads/side\n",
        "ng refs/heads/main cannot lock ref 'refs/heads/main': is at 1111 but expected 2222\n",
        "ng refs/heads/old deletion prohibited\n",
    )
    report = b"".join(pkt_line(line.encode()) for line in lines) + FLUSH
    told = reworded(report, refusal)
    assert parse_report(told) == parse_report(report)
    assert b"ng refs/heads/main someone else pushed first; git pull --rebase, then push again\n" in told
    assert b"ng refs/heads/old deletion prohibited\n" in told
    assert reworded(report[:-6], refusal) == report[:-6], "one that is cut stays as it is"


def test_many_branches_are_told_of_together() -> None:
    assert further(1) == ["-----> Stored 1 further branch that does not deploy; no build"]
    assert further(1490) == ["-----> Stored 1490 further branches that do not deploy; no build"]
