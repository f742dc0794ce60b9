"""R27: what waits for a pusher who does not read has a bound, and what is missing is said."""

from __future__ import annotations

import asyncio

from paas.api.resources import Key
from paas.git import push_messages
from paas.git.frames import Frames


def left_out(lines: int) -> bytes:
    return f"[{lines}]".encode()


async def read(frames: Frames) -> list[bytes]:
    return [frame async for frame in frames.read(keep_alive=60, busy=b"")]


async def test_what_is_read_in_time_comes_whole() -> None:
    frames = Frames(left_out, most=10)
    reading = asyncio.create_task(read(frames))
    for number in range(100):
        frames.put(b"%5d" % number, lines=1)
        while frames.unread:  # noqa: ASYNC110 - until it is read
            await asyncio.sleep(0)
    frames.end()
    assert await reading == [b"%5d" % number for number in range(100)]


async def test_the_oldest_lines_are_dropped_and_it_is_said_how_many() -> None:
    frames = Frames(left_out, most=10)
    for number in range(1000):
        frames.put(b"%5d" % number, lines=1)
        assert frames.unread <= 10
    frames.end()
    assert await read(frames) == [b"[998]", b"  998", b"  999"]


async def test_what_must_arrive_is_never_dropped() -> None:
    frames = Frames(left_out, most=10)
    frames.put(b"begin")
    for _ in range(100):
        frames.put(b"line\nline\n", lines=2)
    frames.put(b"report" * 100)
    for _ in range(100):
        frames.put(b"line\n", lines=1)
    frames.end()
    assert await read(frames) == [b"[298]", b"begin", b"report" * 100, b"line\n", b"line\n"]


async def test_one_line_larger_than_all_that_may_wait() -> None:
    frames = Frames(left_out, most=10)
    frames.put(b"x" * 100, lines=1)
    frames.end()
    assert await read(frames) == [b"[1]"]


async def test_a_silence_is_filled() -> None:
    frames = Frames(left_out)
    reading = frames.read(keep_alive=0.01, busy=b".")
    assert await anext(reading) == b"."
    assert await anext(reading) == b"."
    frames.put(b"line", lines=1)
    assert await anext(reading) == b"line"


def test_the_pusher_is_told_where_the_rest_is() -> None:
    (one,) = push_messages.left_out(1, Key("demo", "shop"))
    (many,) = push_messages.left_out(1234, Key("demo", "shop"))
    assert "1 line is left out" in one
    assert "1234 lines are left out" in many
    assert "paas logs shop -n demo" in many
