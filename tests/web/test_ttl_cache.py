"""What is remembered, for how long, and how much of it."""

from __future__ import annotations

from paas.web.ttl_cache import TtlCache


def test_memory_is_bounded() -> None:
    remembered: TtlCache[int, int] = TtlCache(10)
    for number in range(100):
        remembered.put(number, number, 60)
    assert [remembered.get(number) for number in (0, 89, 90, 99)] == [None, None, 90, 99]


def test_each_value_has_its_own_time() -> None:
    now = [0.0]
    remembered: TtlCache[str, str] = TtlCache(10, clock=lambda: now[0])
    remembered.put("short", "a", 1)
    remembered.put("long", "b", 10)
    now[0] = 1.0
    assert (remembered.get("short"), remembered.get("long")) == (None, "b")
    remembered.put("short", "c", 1)
    assert remembered.get("short") == "c"


def test_what_has_had_its_time_is_let_go() -> None:
    now = [0.0]
    remembered: TtlCache[int, int] = TtlCache(100, clock=lambda: now[0])
    for number in range(50):
        remembered.put(number, number, 2)
    now[0] = 2.0
    remembered.put(50, 50, 2)
    assert len(remembered) == 1
    remembered.put(51, 51, 0)
    assert (remembered.get(50), remembered.get(51)) == (50, None)
    now[0] = 4.0
    remembered.put(52, 52, 0)
    assert len(remembered) == 0
