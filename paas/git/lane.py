"""Who may go on, when there is not room for all at once: a measure (of memory, or of places), shared fairly.

A project holds at most half of a lane, so that none can keep the others out; whatever it asks for, it may
hold one. Who does not fit waits in line: the first that fits goes on, and those of a project that holds its
half let the others pass. The line has an end; nobody waits without a bound.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Final

LONGEST_LINE: Final = 256
"""How many may wait for one lane; half of it of one project."""


class Full(Exception):
    """There is no room, and too many wait already, or the wait was too long."""


class Ticket:
    """A place in a lane, or in the line for one. Give it back with `release`."""

    def __init__(self, lane: Lane, project: str, size: int) -> None:
        self._lane, self.project, self.size = lane, project, size
        self._granted = asyncio.Event()

    @property
    def granted(self) -> bool:
        return self._granted.is_set()

    @property
    def ahead(self) -> int:
        """How many wait before this one."""
        return self._lane.ahead(self)

    def grant(self) -> None:
        self._granted.set()

    async def wait(self, *, seconds: float) -> bool:
        """Whether it may go on, after at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._granted.wait()
        return self.granted

    def release(self) -> None:
        """It is not needed any more. Again and again does nothing."""
        self._lane.release(self)


class Lane:
    """`capacity` is shared, of which one project may hold `most_of_one` (half, if nothing is said); `line` is
    how many may wait."""

    def __init__(self, capacity: int, *, most_of_one: int | None = None, line: int = LONGEST_LINE) -> None:
        self.capacity, self._line = capacity, line
        self._most_of_one = capacity // 2 if most_of_one is None else most_of_one
        self._waiting: list[Ticket] = []
        self._holding: set[Ticket] = set()
        self._held: Counter[str] = Counter()

    @property
    def held(self) -> int:
        return self._held.total()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def full_for(self, project: str) -> bool:
        """Whether one more of this project would be sent away."""
        of_project = sum(ticket.project == project for ticket in self._waiting)
        return len(self._waiting) >= self._line or of_project >= max(1, self._line // 2)

    def ask(self, project: str, size: int = 1) -> Ticket:
        """A ticket, at once granted if there is room. Raises Full when the line is."""
        ticket = Ticket(self, project, min(size, self.capacity))
        self._waiting.append(ticket)
        self._let_in()
        if not ticket.granted:
            self._waiting.remove(ticket)
            if self.full_for(project):
                raise Full
            self._waiting.append(ticket)
        return ticket

    @contextlib.contextmanager
    def asked(self, project: str, size: int = 1) -> Iterator[Ticket]:
        """A ticket until the end of the block; wait for it inside. Raises Full."""
        ticket = self.ask(project, size)
        try:
            yield ticket
        finally:
            ticket.release()

    def ahead(self, ticket: Ticket) -> int:
        return self._waiting.index(ticket) if ticket in self._waiting else 0

    def release(self, ticket: Ticket) -> None:
        if ticket in self._holding:
            self._holding.remove(ticket)
            self._held[ticket.project] -= ticket.size
            self._held += Counter()  # forget projects that hold nothing
        elif ticket in self._waiting:
            self._waiting.remove(ticket)
        self._let_in()

    def _let_in(self) -> None:
        held_up: set[str] = set()
        for ticket in list(self._waiting):
            of_project = self._held[ticket.project]
            if ticket.project in held_up:
                continue
            if of_project and of_project + ticket.size > self._most_of_one:
                # others pass it, but not those of its own project: else their small ones would keep a large
                # one out for ever
                held_up.add(ticket.project)
                continue
            if self.held + ticket.size > self.capacity:
                # nobody passes it: else many small ones would keep a large one out for ever
                return
            self._waiting.remove(ticket)
            self._holding.add(ticket)
            self._held[ticket.project] += ticket.size
            ticket.grant()
