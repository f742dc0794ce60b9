"""The connection of commands."""

from __future__ import annotations

import socket

from paas.terminal.rest import _socket


def test_the_other_side_being_gone_without_a_word_is_found_out() -> None:
    """The log of a quiet application has no time limit."""
    with _socket((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 1))) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 10
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
