from __future__ import annotations

from itertools import pairwise

import pytest

from paas.reconcile.backoff import FIRST_PAUSE, LONGEST_PAUSE, OUTDATED_PAUSE, pause


@pytest.mark.parametrize("first", [FIRST_PAUSE, OUTDATED_PAUSE])
def test_pauses_double_up_to_the_longest(first: float) -> None:
    pauses = [pause(failures, first=first) for failures in range(40)]
    assert pauses[0] == first
    assert pauses[-1] == LONGEST_PAUSE
    for before, after in pairwise(pauses):
        assert after == min(2 * before, LONGEST_PAUSE)


@pytest.mark.parametrize("failures", [1023, 1024, 1025, 10**6, 10**30])
def test_no_number_of_failures_is_too_large(failures: int) -> None:
    assert pause(failures) == LONGEST_PAUSE
    assert pause(failures, first=OUTDATED_PAUSE) == LONGEST_PAUSE
    assert pause(failures, longest=30.0) == 30.0
