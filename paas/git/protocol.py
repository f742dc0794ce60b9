"""The receive-pack conversation as bytes: the command list comes in, a report goes out.

    client:  pkt(old new ref NUL capabilities) pkt(old new ref)… flush  PACK…
    server:  band 2 (what the pusher reads) … band 1 (report-status in pkt-lines) flush

The list is parsed strictly and written again for the child, so that git and we cannot read two things
into the same bytes, and only capabilities that we know pass. Names of refs are bytes: those that are no
UTF-8 are kept by surrogate escapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from dulwich.errors import GitProtocolError
from dulwich.protocol import SIDE_BAND_CHANNEL_DATA, SIDE_BAND_CHANNEL_PROGRESS, PktLineParser, pkt_line

from paas.git.push import Command
from paas.git.refs import is_object_id

MOST_COMMANDS: Final = 5_000
LONGEST_LIST: Final = 2 * 2**20
"""Bytes of a command list."""
KEEP_ALIVE: Final = b"0005\x01"
"""An empty packet, as git itself sends one while it is busy."""
FLUSH: Final = b"0000"
_BAND_PAYLOAD: Final = 65_515
_KNOWN: Final = frozenset(
    {"report-status", "report-status-v2", "side-band-64k", "quiet", "atomic", "ofs-delta", "delete-refs"}
)


_TOO_MANY: Final = f"more than {MOST_COMMANDS} refs in one push; push fewer at once"


class BadRequest(Exception):
    """What came is not a push; the text says what is wrong."""


class _End(Exception):
    """The flush packet was reached (PktLineParser would read on into the pack)."""


@dataclass
class CommandReader:
    """Takes the body of a push as it arrives, until the end of its command list."""

    commands: list[Command] = field(default_factory=list)
    shallow: list[str] = field(default_factory=list)
    capabilities: frozenset[str] = frozenset()
    rest: bytes = b""
    """What arrived behind the command list: the beginning of the pack."""
    complete: bool = False
    refusal: str = ""
    """Why nothing of this push can be taken, although the list can be read."""

    def __post_init__(self) -> None:
        self._seen = bytearray()
        self._consumed = 0
        self._parser = PktLineParser(self._packet)

    def feed(self, data: bytes) -> bool:
        """Whether the list is complete. Raises BadRequest."""
        self._seen += data
        try:
            self._parser.parse(data)
        except _End:
            self.complete = True
            self.rest = bytes(self._seen[self._consumed + 4 :])
            self._seen.clear()
            return True
        except (GitProtocolError, UnicodeDecodeError) as problem:
            raise BadRequest(f"the list of refs cannot be read: {problem}") from problem
        if len(self._seen) > LONGEST_LIST:
            self.refusal = _TOO_MANY
            self.complete = True
            self._seen.clear()
        return self.complete

    def _packet(self, packet: bytes | None) -> None:
        if packet is None:
            raise _End
        self._consumed += len(packet) + 4
        line, separator, capabilities = packet.removesuffix(b"\n").partition(b"\0")
        if line.startswith(b"shallow ") and not separator and is_object_id(commit := line[8:].decode()):
            self.shallow.append(commit)
            return
        if separator and self.commands:
            raise BadRequest("capabilities come behind the first ref only")
        if separator:
            names = capabilities.decode(errors="replace").split(" ")
            self.capabilities = frozenset(name for name in names if name in _KNOWN)
            if "object-format=sha256" in names:
                raise BadRequest("repositories here use SHA-1")
        old, _, remainder = line.decode(errors="surrogateescape").partition(" ")
        new, _, ref = remainder.partition(" ")
        if not (is_object_id(old) and is_object_id(new) and ref):
            raise BadRequest("a line of the list is not 'old new ref' (signed pushes are not taken)")
        if len(self.commands) >= MOST_COMMANDS:
            self.refusal = _TOO_MANY  # the others are read as well: a client wants an answer for each
        self.commands.append(Command(old=old, new=new, ref=ref))

    def rewritten(self) -> bytes:
        """The command list for the child."""
        lines = [f"shallow {commit}".encode() for commit in self.shallow]
        for number, command in enumerate(self.commands):
            line = f"{command.old} {command.new} {command.ref}"
            if number == 0:
                line += "\0 " + " ".join(sorted(self.capabilities))
            lines.append(line.encode(errors="surrogateescape"))
        return b"".join(pkt_line(line) for line in lines) + FLUSH


def band(channel: int, data: bytes) -> bytes:
    """`data` in side-band packets."""
    parts = (data[i : i + _BAND_PAYLOAD] for i in range(0, len(data), _BAND_PAYLOAD))
    return b"".join(pkt_line(bytes([channel]) + part) for part in parts)


def told(line: str) -> bytes:
    """A line for the pusher's terminal; control characters of whatever it quotes are taken out."""
    clean = "".join(c if c == "\t" or (c.isprintable() and c != "�") else "?" for c in line)
    return band(SIDE_BAND_CHANNEL_PROGRESS, f"{clean}\n".encode())


def reported(report: bytes, *, side_band: bool) -> bytes:
    """The end of an answer: the report in the form that the client asked for."""
    if not side_band:
        return report
    return band(SIDE_BAND_CHANNEL_DATA, report) + FLUSH


def refused_report(
    commands: Iterable[Command], reasons: Mapping[str, str], *, unpack: str = "ok", otherwise: str
) -> bytes:
    """A report-status that takes none of the commands; `otherwise` is said of those without a reason."""
    lines = [f"unpack {unpack}\n"]
    lines += [f"ng {command.ref} {reasons.get(command.ref, otherwise)}\n" for command in commands]
    return b"".join(pkt_line(line.encode(errors="surrogateescape")) for line in lines) + FLUSH


def reworded(report: bytes, words: Callable[[str], str]) -> bytes:
    """A report-status whose refusals are told in other words; one that is not complete stays as it is."""
    if parse_report(report) is None:
        return report
    packets: list[bytes | None] = []
    PktLineParser(packets.append).parse(report)
    made = []
    for packet in packets:
        line = (packet or b"").decode(errors="surrogateescape").rstrip("\n")
        if line.startswith("ng "):
            _, ref, reason = line.split(" ", 2)
            packet = f"ng {ref} {words(reason)}\n".encode(errors="surrogateescape")
        elif line.startswith("unpack "):
            packet = f"unpack {words(line.removeprefix('unpack '))}\n".encode(errors="surrogateescape")
        made.append(FLUSH if packet is None else pkt_line(packet))
    return b"".join(made)


@dataclass(frozen=True)
class Report:
    """What receive-pack says it did."""

    unpack: str
    accepted: frozenset[str]
    """Refs that are where the push wanted them."""


def parse_report(report: bytes) -> Report | None:
    """The content of a report-status; None when it is not complete."""
    packets: list[bytes | None] = []
    parser = PktLineParser(packets.append)
    try:
        parser.parse(report)
    except GitProtocolError:
        return None
    if not packets or packets[0] is None or packets[-1] is not None:
        return None
    lines = [packet.decode(errors="surrogateescape").rstrip("\n") for packet in packets if packet is not None]
    accepted = frozenset(line.removeprefix("ok ") for line in lines[1:] if line.startswith("ok "))
    return Report(unpack=lines[0].removeprefix("unpack "), accepted=accepted)


class Demultiplexer:
    """Takes the child's output apart into (channel, data)."""

    def __init__(self) -> None:
        self._packets: list[bytes | None] = []
        self._parser = PktLineParser(self._packets.append)

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        self._parser.parse(data)
        packets = [packet for packet in self._packets if packet]
        self._packets.clear()
        for packet in packets:
            yield packet[0], packet[1:]
