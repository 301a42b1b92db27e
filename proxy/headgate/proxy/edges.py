"""What can be told of a message without parsing it: whose answer it is, and whether it is to be parsed at all.

Parsing holds up everybody for as long as it takes, and that depends on how much is in a message more than on its size.
"""

import re

import orjson
from mcp_types import RequestId

from headgate.proxy.output import EDGE

MAX_NODES = 400_000
"""Lists and objects in one answer, as counted by their brackets. These are parsed in 0.1 s."""
MAX_UNASKED = 50_000
"""Values of any kind in a message that answers nobody, as counted by brackets and commas: parsed in 15 ms."""
LONG = 256 * 1024
"""Bytes of a message that is parsed without a look at how much is in it."""
_ID = rb'(-?(?:0|[1-9][0-9]{0,18})|"[\x20!#-\x5b\x5d-~]{0,200}")'
"""An id that can be read: an integer, or a text in ASCII without escapes."""
_ID_AT_HEAD = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*' + _ID + rb"\s*,")
_ID_AT_TAIL = re.compile(rb',\s*"id"\s*:\s*' + _ID + rb'\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')
"""Where the id of an answer stands that is not parsed: as its first or last member, the version perhaps beside it."""
_NEWS = re.compile(rb'\s*\{\s*(?:"(?:jsonrpc|id)"\s*:\s*(?:"2\.0"|' + _ID + rb')\s*,\s*)*"(?:method|params)"')
"""How a request or a notification begins."""


def is_news(message: bytes) -> bool:
    """Whether a message is a request or a notification, as far as its beginning tells."""
    return _NEWS.match(message, 0, EDGE) is not None


def identity_between(head: bytes, tail: bytes) -> RequestId | None:
    """The id of the request that a message answers which begins and ends so; `None` where none can be made out."""
    found = None if is_news(head) else _ID_AT_HEAD.match(head) or _ID_AT_TAIL.search(tail)
    return None if found is None else orjson.loads(found[1])


def identity_in(message: bytes) -> RequestId | None:
    """The same of a whole message."""
    return identity_between(message[:EDGE], message[-EDGE:])


def is_too_full(message: bytes, *, awaited: bool) -> bool:
    """Whether more is in a message of more than LONG bytes than is to be parsed: far less, if nobody waits for it."""
    nodes = message.count(b"{") + message.count(b"[")
    return nodes > MAX_NODES if awaited else nodes + message.count(b",") > MAX_UNASKED
