"""Which lines from a client are plain calls, and what becomes of those."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, cast

import mcp_types as types
from mcp.shared.dispatcher import as_request_id, coerce_request_id

from headgate.proxy.messages import decoded, encoded
from headgate.server.callers import OPERATOR
from headgate.server.direct.context import Context
from headgate.server.direct.request import BatchRequest, Era, ReadRequest, Request, stumbled
from headgate.server.front import Front
from headgate.server.progress import wants_progress
from headgate.server.stdio import OF_REQUESTS, LinesIn, LinesOut

logger = logging.getLogger(__name__)

_BATCHES = ("batch_call", "batch_read")
_ENDED = {"code": types.CONNECTION_CLOSED, "message": "Connection closed"}


class Calls:
    """The requests of one client that need no task."""

    def __init__(self, front: Front, era: Era, reading: LinesIn, writing: LinesOut, tasks: asyncio.TaskGroup) -> None:
        """What is no plain answer to a request takes a task of `tasks`."""
        self.front = front
        self.era = era
        self.tasks = tasks
        self._reading = reading
        self._writing = writing
        self._under_way: dict[types.RequestId, Request] = {}
        reading.source.offer = self._take
        reading.unanswered.called_off = self._call_off
        writing.sink.emptied = reading.source.go_on

    def close(self) -> None:
        """End what is under way, as the SDK ends the rest: with an answer that says so."""
        for request in [*self._under_way.values()]:
            request.cancel()
            self.answer(request, {"error": _ENDED})

    def _take(self, line: bytes) -> bool:
        """Begin what a line asks for; whether that was possible."""
        try:
            return self._taken(line)
        except Exception:
            # Whoever reads this line reads others too, and must not stumble with it.
            logger.exception("a call could not be begun without the SDK")
            return False

    def _taken(self, line: bytes) -> bool:
        if b'"tools/call"' not in line or not self._reading.unanswered.only_calls:
            return False
        message = decoded(line)
        if message is None or message.keys() != OF_REQUESTS or message["method"] != "tools/call":
            return False
        identity, params = as_request_id(message["id"]), message["params"]
        if identity is None or message["jsonrpc"] != "2.0" or not isinstance(params, dict):
            return False
        ctx = self.era.context(identity, cast("dict[str, Any]", params))
        request = None if ctx is None else self._made(ctx)
        if request is None or not self._begun(request):
            return False
        if not request.over:
            self._under_way[coerce_request_id(identity)] = request
        return True

    def _begun(self, request: Request) -> bool:
        try:
            return request.begin()
        except Exception:
            logger.exception("a call failed inside headgate")
            self.answer(request, {"result": stumbled(self.era)})
            return True

    def _made(self, ctx: Context) -> Request | None:
        name = (ctx.params or {})["name"]
        if name in _BATCHES:
            return None if wants_progress(ctx) else BatchRequest(self, ctx)
        if self.front.is_own(name, OPERATOR):
            return None
        return ReadRequest(self, ctx, self.era.client(ctx, self.front.desk))

    def answer(self, request: Request, body: Mapping[str, Any]) -> None:
        """Answer a request."""
        request.over = True
        key = coerce_request_id(request.identity)
        if self._under_way.get(key) is request:  # a client may use an id twice
            del self._under_way[key]
        try:
            line = encoded({"jsonrpc": "2.0", "id": request.identity, **body})
        except (TypeError, ValueError):
            logger.exception("the answer to a call is no JSON")
            line = encoded({"jsonrpc": "2.0", "id": request.identity, "result": stumbled(self.era)})
        if not self._writing.sink.write(line):
            self._reading.source.hold()

    def _call_off(self, identity: types.RequestId) -> None:
        request = self._under_way.pop(coerce_request_id(identity), None)
        if request is not None:
            request.cancel()
