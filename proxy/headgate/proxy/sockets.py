"""How connections to upstreams over HTTP are set up."""

import socket

RECEIVED = 128 * 1024
"""Bytes of an answer that the system keeps for us, of which Linux makes twice as many.

On uvloop a connection is read until nothing is left, up to 8 MB in one turn of the event loop. With so few, one that
floods us has to wait for us instead; from a server 100 ms away 1 to 2 MB a second still come in.
"""
_PROBES = {"TCP_KEEPIDLE": 30, "TCP_KEEPALIVE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""A peer that vanished without a word is noticed within a minute, where the system knows these options."""


def socket_options() -> list[tuple[int, int, int]]:
    """What is set for each connection."""
    known = [(getattr(socket, name), value) for name, value in _PROBES.items() if hasattr(socket, name)]
    return [
        (socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *((socket.IPPROTO_TCP, option, value) for option, value in known),
    ]
