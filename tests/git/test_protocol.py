"""The conversation of a push, byte by byte."""

from __future__ import annotations

import pytest
from dulwich.protocol import pkt_line
from hypothesis import given
from hypothesis import strategies as st

from paas.git.protocol import (
    BadRequest,
    CommandReader,
    Demultiplexer,
    band,
    parse_report,
    refused_report,
    reported,
    told,
)
from paas.git.push import Command
from paas.git.refs import deploying_branch, refusal, refusals

ZERO, A, B = "0" * 40, "a" * 40, "b" * 40
LIST = (
    pkt_line(f"{ZERO} {A} refs/heads/main\0 report-status side-band-64k push-options agent=git/2".encode())
    + pkt_line(f"{A} {B} refs/heads/other\n".encode())
    + b"0000"
)


@given(st.lists(st.integers(1, 50), max_size=20), st.binary(max_size=200))
def test_the_list_is_read_in_whatever_pieces_it_comes(cuts: list[int], rest: bytes) -> None:
    stream, reader, position = LIST + rest, CommandReader(), 0
    for size in [*cuts, len(stream)]:
        piece, position = stream[position : position + size], position + size
        if piece and reader.feed(piece):
            break
    assert reader.complete
    assert reader.commands == [Command(ZERO, A, "refs/heads/main"), Command(A, B, "refs/heads/other")]
    assert reader.capabilities == {"report-status", "side-band-64k"}
    assert reader.rest + stream[position:] == rest


def test_the_child_gets_the_list_as_it_was_understood() -> None:
    reader = CommandReader()
    reader.feed(LIST)
    again = CommandReader()
    again.feed(reader.rewritten())
    assert (again.commands, again.capabilities) == (reader.commands, reader.capabilities)
    assert b"agent" not in reader.rewritten()


def test_shallow_lines_are_passed_on() -> None:
    reader = CommandReader()
    reader.feed(pkt_line(f"shallow {A}".encode()) + LIST)
    assert pkt_line(f"shallow {A}".encode()) in reader.rewritten()


@pytest.mark.parametrize(
    "body",
    [
        b"zzzz", b"0003", b"0001", b"-001", b"0x10", pkt_line(b"nonsense"), pkt_line(b"push-cert\0 x"),
        pkt_line(f"{ZERO} {A[:-1]} refs/heads/x".encode()),
        pkt_line(f"{ZERO} {A.upper()} refs/heads/x".encode()),
        pkt_line(f"{ZERO} {A}".encode()), pkt_line(f"{ZERO} {A} ".encode()),
        pkt_line(b"\xff" * 90),
        pkt_line(b"shallow --x"),
        pkt_line(f"{ZERO} {A} refs/heads/x\0 object-format=sha256".encode()),
    ],
)  # fmt: skip
def test_what_is_no_list(body: bytes) -> None:
    with pytest.raises(BadRequest):
        CommandReader().feed(body + b"0000")


def test_a_list_without_end_is_cut_off() -> None:
    reader = CommandReader()
    piece = pkt_line(b"shallow " + A.encode()) * 1000
    assert any(reader.feed(piece) for _ in range(100))
    assert "push fewer at once" in reader.refusal


def test_names_are_bytes() -> None:
    line = pkt_line(f"{ZERO} {A} refs/heads/\xff".encode("latin-1") + b"\0 report-status") + b"0000"
    reader = CommandReader()
    reader.feed(line)
    assert reader.commands == [Command(ZERO, A, "refs/heads/\udcff")]
    assert reader.rewritten() == line
    report = refused_report(reader.commands, {}, otherwise="no")
    assert b"ng refs/heads/\xff no\n" in report


def test_reports() -> None:
    commands = [Command(ZERO, A, "refs/heads/a"), Command(ZERO, A, "refs/heads/b")]
    report = refused_report(commands, {"refs/heads/a": "no"}, otherwise="neither")
    assert b"ng refs/heads/a no\n" in report
    assert b"ng refs/heads/b neither\n" in report
    parsed = parse_report(report)
    assert parsed is not None
    assert (parsed.unpack, parsed.accepted) == ("ok", frozenset())
    good = (
        pkt_line(b"unpack ok\n") + pkt_line(b"ok refs/heads/a\n") + pkt_line(b"ng refs/heads/b x\n") + b"0000"
    )
    parsed = parse_report(good)
    assert parsed is not None
    assert parsed.accepted == {"refs/heads/a"}
    for cut in (b"", good[:-4], b"junk", b"0000"):
        assert parse_report(cut) is None
    assert reported(good, side_band=False) == good
    assert list(Demultiplexer().feed(reported(good, side_band=True)[:-4])) == [(1, good)]


@given(st.binary(max_size=200_000), st.integers(1, 3))
def test_bands_come_apart_as_they_were_put_together(data: bytes, channel: int) -> None:
    parts = list(Demultiplexer().feed(band(channel, data)))
    assert b"".join(payload for _, payload in parts) == data
    assert all(number == channel and len(payload) <= 65515 for number, payload in parts)


def test_nothing_a_pusher_reads_moves_the_cursor() -> None:
    line = told("-----> \x1b[31mred\x1b[0m\r\x07 ü\u202e\t.")
    assert line == pkt_line(b"\x02" + "-----> ?[31mred?[0m?? ü?\t.\n".encode())


@pytest.mark.parametrize(("old", "expected"), [(A, None), (B, "it has moved meanwhile; fetch first")])
def test_deletes(old: str, expected: str | None) -> None:
    tips = {"refs/heads/main": A}
    assert refusal(Command(old, ZERO, "refs/heads/main"), tips=tips) == expected


def test_a_ref_twice_in_one_push() -> None:
    twice = [Command(ZERO, A, "refs/heads/x"), Command(ZERO, B, "refs/heads/x")]
    assert refusals(twice, tips={}) == {"refs/heads/x": "named twice in one push"}


@pytest.mark.parametrize(
    ("configured", "head", "expected"),
    [
        (None, "main", "main"),
        ("", "trunk", "trunk"),
        ("release", "main", "release"),
        ("refs/heads/r", "m", "r"),
    ],
)
def test_which_branch_deploys(configured: str | None, head: str, expected: str) -> None:
    assert deploying_branch(configured, head) == expected
