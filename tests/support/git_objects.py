"""Requests of git's protocol, packs and objects, byte by byte: what no git client would send."""

from __future__ import annotations

import hashlib
import struct
import zlib

from dulwich.protocol import pkt_line

ZERO = "0" * 40


def commands(*updates: tuple[str, str, str], capabilities: str = "report-status") -> bytes:
    lines = [f"{old} {new} {ref}".encode() for old, new, ref in updates]
    lines[0] += b"\0 " + capabilities.encode()
    return b"".join(pkt_line(line) for line in lines) + b"0000"


def pack(*objects: bytes, count: int | None = None) -> bytes:
    body = b"PACK" + struct.pack(">II", 2, len(objects) if count is None else count) + b"".join(objects)
    return body + hashlib.sha1(body).digest()


def header(kind: int, size: int) -> bytes:
    first = (kind << 4) | (size & 15)
    size >>= 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    out.append(first)
    return bytes(out)


def entry(kind: int, content: bytes) -> bytes:
    return header(kind, len(content)) + zlib.compress(content)


def object_id(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()


def tree_commit(*entries: tuple[bytes, bytes, str]) -> tuple[bytes, str, list[bytes]]:
    """A commit of one tree; (mode, name, hex id) each."""
    tree = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(sha) for mode, name, sha in entries)
    tree_id = object_id("tree", tree)
    who = b"A <a@example.com> 1700000000 +0000"
    commit = b"tree " + tree_id.encode() + b"\nauthor " + who + b"\ncommitter " + who + b"\n\nx\n"
    return commit, object_id("commit", commit), [entry(1, commit), entry(2, tree)]
