"""A key that writes every time it is looked at is slowed down; one that comes to rest is not."""

from __future__ import annotations

from paas.api.resources import Key
from paas.reconcile.pace import CALM, FREE_RUNS, LONGEST_REST, Pace

KEY = Key("demo", "shop")


def rests(pace: Pace, runs: int, *, pause: float = 0.01) -> list[float]:
    """The rests after so many runs that write, each begun as soon as it may."""
    found, now = [], 0.0
    for _ in range(runs):
        found.append(pace.rest_after(KEY, wrote=True, now=now))
        now += found[-1] + pause
    return found


def test_writing_on_and_on_becomes_slow() -> None:
    found = rests(Pace(), FREE_RUNS + 10)
    assert set(found[:FREE_RUNS]) == {0}
    assert found[FREE_RUNS : FREE_RUNS + 3] == [0.1, 0.2, 0.4]
    assert found[-1] == max(found) == LONGEST_REST


def test_a_run_that_writes_nothing_begins_the_count_again() -> None:
    pace = Pace()
    assert rests(pace, FREE_RUNS + 1)[-1] > 0
    assert pace.rest_after(KEY, wrote=False, now=100) == 0
    assert set(rests(pace, FREE_RUNS)) == {0}


def test_writing_now_and_then_is_not_slowed_down() -> None:
    assert set(rests(Pace(), 10 * FREE_RUNS, pause=CALM + 0.1)) == {0}


def test_nothing_is_kept_of_a_key_that_is_gone() -> None:
    pace = Pace()
    rests(pace, FREE_RUNS + 1)
    pace.forget(KEY)
    assert not pace._runs
