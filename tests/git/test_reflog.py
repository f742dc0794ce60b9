"""The reflog as the outbox of pushes: nothing is missed, nothing is seen twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from paas.git.push import ZERO
from paas.git.reflog import Entry, Handled, committer, parse, pending, trigger_id

commits = st.sampled_from([digit * 40 for digit in "abcd"])


def line(old: str, new: str, push: str, *, user: str = "alice", time: int = 1700000000) -> bytes:
    return f"{old} {new} {user} <{push}@push.paas.dev> {time} +0000\tpush\n".encode()


def moves(values: list[str]) -> list[str]:
    """The same without moves that move nothing, which git does not log."""
    out: list[str] = []
    for value in values:
        if not out or out[-1] != value:
            out.append(value)
    return out


def log_of(values: list[str]) -> bytes:
    olds = [ZERO, *values]
    return b"".join(line(olds[i], new, f"push{i}") for i, new in enumerate(values))


@given(st.lists(commits, min_size=1, max_size=12).map(moves), st.integers(0, 12))
def test_what_is_behind_the_mark_is_pending_whatever_was_there_before(values: list[str], done: int) -> None:
    entries = parse(log_of(values))
    done = min(done, len(values))
    handled = Handled(values[done - 1], entries[done - 1].id) if done else None
    assert pending(entries, tip=values[-1], handled=handled) == entries[done:]


@given(st.lists(commits, min_size=1, max_size=12).map(moves))
def test_handling_one_after_the_other_ends(values: list[str]) -> None:
    entries = parse(log_of(values))
    handled: Handled | None = None
    seen: list[Entry] = []
    while following := pending(entries, tip=values[-1], handled=handled):
        seen.append(following[0])
        handled = Handled(following[0].new, following[0].mark)
    assert seen == entries


@given(st.lists(commits, min_size=1, max_size=8).map(moves), st.integers(0, 8), st.just("e" * 40))
def test_a_tip_that_the_log_does_not_reach_is_one_move(values: list[str], kept: int, tip: str) -> None:
    """The end of the log was lost with the power. Wherever handling is interrupted, it ends."""
    entries = parse(log_of(values[: min(kept, len(values))]))
    following = pending(entries, tip=tip, handled=None)
    assert following[-1].new == tip
    assert [entry for entry in following if entry.user] == entries
    for number, entry in enumerate(following):
        handled = Handled(entry.new, entry.mark)
        assert pending(entries, tip=tip, handled=handled) == following[number + 1 :]
    # and what is pushed afterwards is one more move
    log = log_of(values[: min(kept, len(values))]) + line(tip, "f" * 40, "later")
    last = following[-1]
    (later,) = pending(parse(log), tip="f" * 40, handled=Handled(tip, last.mark))
    assert later.push == "later"


@given(st.lists(commits, min_size=1, max_size=8).map(moves), st.integers(0, 8), st.data())
def test_moves_under_way_are_left_for_later(values: list[str], done: int, data: st.DataObject) -> None:
    """The log may have lines of pushes whose ref has not moved yet."""
    whole = parse(log_of(values))
    done = min(done, len(values))
    reached = data.draw(st.integers(done, len(values)))
    if reached == 0:
        return
    tip = values[reached - 1]
    if tip in values[reached:]:
        return  # then it cannot be told from the later one
    handled = Handled(values[done - 1], whole[done - 1].id) if done else None
    assert pending(whole, tip=tip, handled=handled) == whole[done:reached]


def test_a_line_of_a_move_that_was_never_completed_is_passed_over() -> None:
    """Git was killed between writing the line and moving the ref; the next push starts from where it was."""
    log = line(ZERO, "a" * 40, "one") + line("a" * 40, "b" * 40, "killed")
    handled = Handled("a" * 40, parse(log)[0].id)
    assert pending(parse(log), tip="a" * 40, handled=handled) == []
    assert [e.push for e in pending(parse(log), tip="a" * 40, handled=None)] == ["one"]
    log += line("a" * 40, "c" * 40, "two")
    assert [e.push for e in pending(parse(log), tip="c" * 40, handled=handled)] == ["two"]
    assert [e.push for e in pending(parse(log), tip="c" * 40, handled=None)] == ["one", "two"]


def test_a_mark_of_an_earlier_life_of_the_branch_counts_for_nothing() -> None:
    entries = parse(log_of(["a" * 40]))
    again = parse(line(ZERO, "a" * 40, "another"))
    assert pending(again, tip="a" * 40, handled=Handled("a" * 40, entries[0].id)) == again


def test_a_torn_last_line_is_not_there() -> None:
    whole = log_of(["a" * 40, "b" * 40])
    assert parse(whole[:-5]) == parse(log_of(["a" * 40]))


def test_lines_that_are_no_lines_are_passed_over() -> None:
    assert parse(b"garbage\n\n" + log_of(["a" * 40])) == parse(log_of(["a" * 40]))
    assert parse(b"\xff\xfe\n") == []


def test_who_pushed_and_when() -> None:
    (entry,) = parse(line(ZERO, "a" * 40, "abc", user="system:serviceaccount:demo:pusher", time=1234))
    assert (entry.user, entry.push, entry.time) == ("system:serviceaccount:demo:pusher", "abc", 1234)
    (entry,) = parse(f"{ZERO} {'a' * 40} Somebody <somebody@example.com> 5 +0000\n".encode())
    assert (entry.user, entry.push) == ("Somebody", "")


@given(st.text(max_size=300))
def test_any_user_s_name_fits_into_a_line(user: str) -> None:
    given_name = committer(user, "abc")["GIT_COMMITTER_NAME"]
    assert given_name
    assert not set(given_name) & set("\n\r\0<>")
    assert given_name == given_name.strip(" .,:;\"'\\")


def test_a_trigger_is_of_one_move_in_one_repository() -> None:
    first, second = parse(log_of(["a" * 40, "b" * 40]))
    ids = {
        trigger_id("uid-1", "refs/heads/main", first),
        trigger_id("uid-1", "refs/heads/main", second),
        trigger_id("uid-2", "refs/heads/main", first),
        trigger_id("uid-1", "refs/heads/other", first),
    }
    assert len(ids) == 4
    assert trigger_id("uid-1", "refs/heads/main", first) in ids
