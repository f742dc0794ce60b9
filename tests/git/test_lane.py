"""Who goes on, and who waits, when there is not room for all."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paas.git.lane import Full, Lane, Ticket
from paas.git.memory import COMMANDS, LOOK, LOOKS, MIB, PARENT, REPACK, SERVER, shares


def test_who_fits_goes_on_at_once() -> None:
    lane = Lane(4)
    assert [lane.ask(project).granted for project in ("a", "a", "b", "b")] == [True] * 4
    assert lane.held == 4
    assert not lane.ask("c").granted


def test_a_project_holds_half_at_most() -> None:
    """R27: its slow readers leave room for those of others."""
    lane = Lane(4)
    own = [lane.ask("slow") for _ in range(10)]
    assert [ticket.granted for ticket in own] == [True, True, *[False] * 8]
    other = lane.ask("other")
    assert other.granted
    own[0].release()
    assert own[2].granted
    assert own[3].ahead == 0


def test_whatever_it_wants_a_project_may_hold_one() -> None:
    lane = Lane(10)
    large = lane.ask("a", 1000)
    assert (large.granted, lane.held) == (True, 10)
    large.release()
    assert lane.held == 0


def test_small_ones_do_not_keep_a_large_one_out() -> None:
    lane = Lane(10)
    first, large, small = lane.ask("a", 2), lane.ask("b", 9), lane.ask("c", 1)
    assert [ticket.granted for ticket in (first, large, small)] == [True, False, False]
    assert (large.ahead, small.ahead) == (0, 1)
    first.release()
    assert large.granted
    assert small.granted


def test_small_ones_of_its_own_project_do_not_keep_a_large_one_out() -> None:
    """A project that pushes all the time, and in between something large."""
    lane = Lane(10)
    first, large = lane.ask("a", 2), lane.ask("a", 7)
    small, other = lane.ask("a", 2), lane.ask("b", 2)
    assert [ticket.granted for ticket in (first, large, small, other)] == [True, False, False, True]
    first.release()
    assert large.granted
    assert not small.granted
    large.release()
    assert small.granted


def test_the_line_has_an_end_for_each_and_for_all() -> None:
    lane = Lane(2, line=4)
    waiting = [lane.ask("a") for _ in range(3)]
    assert lane.full_for("a")
    with pytest.raises(Full):
        lane.ask("a")
    assert lane.ask("b").granted
    for project in ("b", "c"):
        lane.ask(project)
    with pytest.raises(Full):
        lane.ask("d")
    assert lane.waiting == 4
    waiting[0].release()
    assert waiting[1].granted


async def test_waiting_ends_when_it_is_its_turn_or_the_time_is_over() -> None:
    lane = Lane(1)
    with lane.asked("a") as first, lane.asked("b") as second:
        assert await first.wait(seconds=60)
        assert not await second.wait(seconds=0)
        following = asyncio.create_task(second.wait(seconds=60))
        await asyncio.sleep(0)
        first.release()
        assert await following
    assert (lane.held, lane.waiting) == (0, 0)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 12), st.booleans()), max_size=60),
    st.integers(2, 20),
)
def test_the_sum_never_goes_over_and_nobody_is_forgotten(
    steps: list[tuple[str, int, bool]], capacity: int
) -> None:
    lane, tickets = Lane(capacity), list[Ticket]()
    for project, size, ends in steps:
        if ends and tickets:
            tickets.pop(size % len(tickets)).release()
        else:
            tickets.append(lane.ask(project, size))
        granted = [ticket for ticket in tickets if ticket.granted]
        assert lane.held == sum(ticket.size for ticket in granted) <= capacity
        for name in "abc":
            of_one = [ticket.size for ticket in granted if ticket.project == name]
            assert len(of_one) <= 1 or sum(of_one) <= capacity // 2
        assert granted or not tickets
    for ticket in tickets:
        ticket.release()
        ticket.release()
    assert (lane.held, lane.waiting) == (0, 0)


@pytest.mark.parametrize("pod", [None, 1024 * MIB, 1536 * MIB, 2048 * MIB, 4096 * MIB, 64 * 1024 * MIB])
def test_all_children_together_stay_within_the_pod(pod: int | None) -> None:
    found = shares(pod)
    fixed = COMMANDS + LOOKS * LOOK + REPACK + PARENT
    whole = found.pushes + found.fetches + found.archives + fixed
    assert whole <= max(1024 * MIB, (pod or 2048 * MIB) - SERVER)
    for need, share in (
        (found.push, found.pushes),
        (found.large_push, found.pushes),
        (found.fetch(0), found.fetches),
        (found.fetch(2**40), found.fetches),
        (found.archive(0), found.archives),
        (found.archive(2**40), found.archives),
    ):
        assert need.limit <= need.counts <= share
    assert found.large_push.counts + 2 * found.push.counts <= found.pushes
    assert found.fetch(2**40).counts + found.fetch(0).counts <= found.fetches
    assert found.archive(2**40).counts + found.archive(0).counts <= found.archives
