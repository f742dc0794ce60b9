"""Generators of requests and objects that a server of git repositories may meet: what no client would send,
and what odd but honest repositories hold."""

from __future__ import annotations

from dataclasses import dataclass

from dulwich.protocol import pkt_line
from hypothesis import strategies as st

from tests.support.git_objects import ZERO, entry, object_id, pack

KINDS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
WHO = b"A <a@example.com> 1700000000 +0000"
CAPABILITIES = b"\0 report-status side-band-64k"


@dataclass(frozen=True)
class Thing:
    """An object of git."""

    kind: str
    content: bytes

    @property
    def id(self) -> str:
        return object_id(self.kind, self.content)


def packed(things: list[Thing]) -> bytes:
    """A pack of these objects, each once."""
    each = {thing.id: thing for thing in things}.values()
    return pack(*[entry(KINDS[thing.kind], thing.content) for thing in each])


def command(old: str, new: str, ref: bytes) -> bytes:
    return pkt_line(f"{old} {new} ".encode() + ref + CAPABILITIES)


def plain() -> list[Thing]:
    """A commit that is like any other, and before it what is in it."""
    blob = Thing("blob", b"FROM scratch\n")
    tree = Thing("tree", b"100644 Dockerfile\0" + bytes.fromhex(blob.id))
    about = b"tree " + tree.id.encode() + b"\nauthor " + WHO + b"\ncommitter " + WHO
    return [blob, tree, Thing("commit", about + b"\n\nx\n")]


# -- requests ------------------------------------------------------------------------------------------
REFS = st.one_of(
    st.sampled_from(
        [
            b"refs/heads/main",
            "refs/heads/größe".encode(),
            b"refs/heads/caf\xe9",
            b"refs/tags/caf\xe9",
            b"refs/heads/\xf0\x9f\x9a\x80",
            b"refs/heads/\xed\xa0\x80",
            b"refs/heads/\xff\xfe",
            b"HEAD",
            b"",
            b"refs/heads/a/b",
            b"refs/heads/main/x",
            b"refs/heads/%s",
            b"refs/heads/{0}",
            b"refs/heads/\x1b[2J",
            b"refs/heads/\xc2\x85",
            b"refs/heads/\xe2\x80\xae",
            b"refs/heads/x\xcc\x88",
            b"refs/notes/commits",
            b"refs/heads/" + b"n" * 250,
            b"refs/heads/" + "ü".encode() * 99,
        ]
    ),
    st.binary(max_size=30).map(lambda end: b"refs/heads/" + end),
)
_IDS = st.sampled_from([ZERO, plain()[2].id, plain()[1].id, "1" * 40, "A" * 40, "0" * 64, "", "x"])
_TAILS = st.sampled_from(
    [
        CAPABILITIES,
        b"",
        b"\n",
        b"\0",
        b"\0report-status-v2 atomic quiet object-format=sha1 agent=x/y",
        CAPABILITIES + b" push-options",
        CAPABILITIES + b" object-format=sha256",
        b"\0\xff\xfe",
        b"\0 \0 side-band-64k",
        CAPABILITIES + b" delete-refs ofs-delta session-id=" + b"s" * 300,
    ]
)
_LINES = st.one_of(
    st.builds(
        lambda old, new, ref, end: pkt_line(f"{old} {new} ".encode() + ref + end), _IDS, _IDS, REFS, _TAILS
    ),
    st.sampled_from(
        [
            pkt_line(b"shallow " + b"1" * 40),
            pkt_line(b"shallow " + plain()[2].id.encode()),
            pkt_line(b""),
            pkt_line(b"push-cert\0 x"),
            pkt_line(b"ci.skip=true"),
            b"0000",
            b"0001",
            b"0002",
            b"0003",
            b"zzzz",
            b"ffff",
            b"00",
            b"fff0x",
        ]
    ),
    st.binary(max_size=60),
)
_OPTIONS = st.sampled_from([b"", pkt_line(b"ci.skip") + b"0000", pkt_line(b"\xff" * 9) + b"0000", b"0000"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A list of commands, well-formed or not, and a pack that is cut or changed anywhere."""
    lines = draw(st.lists(_LINES, max_size=5))
    if draw(st.booleans()):
        lines.insert(0, command(ZERO, plain()[2].id, draw(REFS)))
    body = bytearray(packed(plain()))
    match draw(st.sampled_from(["whole", "cut", "changed", "longer"])):
        case "cut":
            del body[draw(st.integers(0, len(body))) :]
        case "changed":
            body[draw(st.integers(0, len(body) - 1))] ^= draw(st.integers(1, 255))
        case "longer":
            body += draw(st.binary(min_size=1, max_size=40))
    return b"".join(lines) + b"0000" + draw(_OPTIONS) + bytes(body)


# -- objects -------------------------------------------------------------------------------------------
_NAMES = st.one_of(
    st.sampled_from(
        [
            b"Dockerfile",
            b"app.py",
            b"Procfile",
            b"requirements.txt",
            b".gitmodules",
            b".gitattributes",
            b"caf\xe9",
            b"a b",
            b"-x",
            b"\xed\xa0\x80",
            b"*",
            b"CON",
            b"a\\b",
            b"x" * 300,
            b"\xff",
            b"\n",
            "日本".encode(),
            b".git ",
            b"...",
        ]
    ),
    st.binary(min_size=1, max_size=6),
)
_MODES = st.sampled_from(
    [
        b"100644",
        b"100755",
        b"120000",
        b"160000",
        b"40000",
        b"100664",
        b"100600",
        b"100444",
        b"0100644",
        b"040000",
        b"0",
        b"777",
    ]
)
_CONTENTS = st.one_of(
    st.sampled_from([b"", b"FROM scratch\n", b"web: x\n", b"../..", b"\0", b'[submodule "a"]\n\tpath = a\n']),
    st.binary(max_size=40),
)
_PERSONS = st.sampled_from(
    [
        WHO,
        b"",
        b"A",
        b"<>",
        b" <> 0 +0000",
        b"\xff <\xe9@x> 1 +0000",
        b"A <a@x> 99999999999999999999 +0000",
        b"A <a@x> -1 +0000",
        b"A <a@x> 1 +9999",
        b"A <a@x> 1",
        b"A <a@x> 1 UTC",
        b"A <a\0@x> 1 +0000",
        b"A <a@x>1 +0000",
        b"\xed\xa0\x80 <a@x> 1 +0000",
    ]
)
_HEADERS = st.sampled_from(
    [
        b"",
        b"encoding latin-1\n",
        b"encoding no-such\n",
        b"encoding utf-16\n",
        b"encoding \xff\n",
        b"encoding \n",
        b"encoding rot13\n",
        b"encoding hex\n",
        b"encoding idna\n",
        b"gpgsig x\n y\n",
        b"x\n",
        b"mergetag object " + b"1" * 40 + b"\n",
    ]
)
_MESSAGES = st.one_of(
    st.sampled_from(
        [b"", b"x", b"\n\n", b"\xff\xfe\xe9", b"\xed\xa0\x80", b"a\0b", b"\x1b[2J", b"x" * 20_000]
    ),
    st.binary(max_size=30),
)


@st.composite
def trees(draw: st.DrawFn, depth: int = 1) -> list[Thing]:
    """A tree, and before it what is in it; its entries in git's order or not."""
    things: list[Thing] = []
    entries: list[tuple[bytes, bytes, str]] = []
    for name in draw(st.lists(_NAMES, max_size=4)):
        mode = draw(_MODES)
        if mode == b"160000":
            entries.append((mode, name, draw(st.sampled_from(["1" * 40, plain()[2].id]))))
        elif mode.endswith(b"40000") and depth:
            things += draw(trees(depth - 1))
            entries.append((mode, name, things[-1].id))
        else:
            things.append(Thing("blob", draw(_CONTENTS)))
            entries.append((mode, name, things[-1].id))
    if draw(st.booleans()):
        entries.sort(key=lambda each: each[1] + (b"/" if each[0].endswith(b"40000") else b""))
    content = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(sha) for mode, name, sha in entries)
    return [*things, Thing("tree", content)]


@st.composite
def histories(draw: st.DrawFn) -> list[Thing]:
    """A commit, and before it what it needs; perhaps with tags of anything on it."""
    things = draw(trees())
    about = b"tree " + things[-1].id.encode() + b"\n"
    if draw(st.integers(0, 4)) == 0:
        about += b"parent " + draw(st.sampled_from([b"1" * 40, b"", b"x"])) + b"\n"
    for role in (b"author ", b"committer "):
        if draw(st.integers(0, 5)):
            about += role + draw(_PERSONS) + b"\n"
    things.append(Thing("commit", about + draw(_HEADERS) + b"\n" + draw(_MESSAGES)))
    for _ in range(draw(st.integers(0, 2))):
        of = draw(st.sampled_from(things))
        kind = draw(st.sampled_from([of.kind, "commit"])).encode()
        tagger = draw(st.sampled_from([b"tagger " + WHO + b"\n", b""]))
        about = b"object " + of.id.encode() + b"\ntype " + kind + b"\ntag v\n" + tagger
        things.append(Thing("tag", about + b"\n" + draw(_MESSAGES)))
    return things
