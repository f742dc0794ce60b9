"""Who fails too often must wait."""

from __future__ import annotations

from paas.web.failures import FailureLimit


def test_a_client_is_blocked_until_its_failures_are_old() -> None:
    now = [0.0]
    limit = FailureLimit(2, seconds=60, clock=lambda: now[0])
    limit.failed("a")
    assert not limit.blocked("a")
    now[0] = 30.0
    limit.failed("a")
    assert limit.blocked("a")
    assert not limit.blocked("b")
    now[0] = 60.0
    assert not limit.blocked("a")


def test_memory_is_bounded() -> None:
    limit = FailureLimit(1, seconds=60, size=10)
    for number in range(100):
        limit.failed(str(number))
    assert [limit.blocked(str(number)) for number in (0, 89, 90, 99)] == [False, False, True, True]
