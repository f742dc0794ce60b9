"""What is said when the server itself cannot go on."""

from __future__ import annotations

from typing import Any, cast

import pytest

from paas.git.http import GitHttp
from paas.git.memory import shares
from tests.support.asgi import ask


class Failing:
    """Stands for who may do what: nothing behind it goes on."""

    def __init__(self, problem: Exception) -> None:
        self.problem = problem

    async def user(self, _token: str) -> Any:
        raise self.problem


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (OSError(28, "No space left on device"), "(No space left on device)"),
        (TimeoutError(), "(no answer in time)"),  # an OSError without words of the system's
    ],
)
async def test_what_is_wrong_with_the_repositories_is_said(problem: Exception, said: str) -> None:
    nothing = cast(Any, None)
    app = GitHttp(cast(Any, Failing(problem)), nothing, nothing, shares=shares(None), upkeep=nothing)
    path = "/git/demo/shop.git/info/refs"
    headers = {"authorization": "Basic cGFhczp0b2tlbg=="}
    answer = await ask(app, "GET", path, query="service=git-upload-pack", headers=headers)
    assert answer.status == 503
    assert said in answer.body.decode()
