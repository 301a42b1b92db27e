"""Notifications of upstreams on their way to the client, in order, and none after the answer."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

from mcp.server.session import ServerSession
from mcp_types import RequestId
from mcp_types.methods import parse_server_notification

logger = logging.getLogger(__name__)

MAX_WAITING = 1000
"""Notifications of one request that wait for the client to read: further ones are dropped."""


class Outbox:
    """What goes out beside the answer to one request."""

    def __init__(self, session: ServerSession, request_id: RequestId | None) -> None:
        """It goes out over `session`, as part of the request `request_id`, or of none."""
        self._session = session
        self._request_id = request_id
        self._waiting: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def put(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification, without waiting."""
        if self._closed or len(self._waiting) >= MAX_WAITING:
            return
        self._waiting.append((method, params))
        if self.empty:
            self._task = asyncio.get_running_loop().create_task(self._send_all())

    @property
    def empty(self) -> bool:
        """Whether everything has gone out."""
        return self._task is None or self._task.done()

    async def drained(self) -> None:
        """Wait until everything has gone out."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()

    async def _send_all(self) -> None:
        while self._waiting:
            method, params = self._waiting.popleft()
            try:
                await self._send(method, params)
            except Exception as broken:  # noqa: BLE001 - what is malformed, or for a client that has gone, is dropped
                logger.debug("%s was not passed on (%s)", method, type(broken).__name__)

    async def _send(self, method: str, params: Mapping[str, Any]) -> None:
        version = self._session.protocol_version
        notification: Any = parse_server_notification(method, version, {**params})
        if method == "notifications/progress":
            told = notification.params
            await self._session.report_progress(told.progress, told.total, told.message)
        else:
            await self._session.send_notification(notification, self._request_id)
