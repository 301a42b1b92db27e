"""The client's side of a request, as an upstream may ask it and tell it things."""

import asyncio
from collections.abc import Callable, Hashable, Mapping
from typing import Any, cast

import mcp_types as types
from mcp.server.session import ServerSession
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.methods import parse_server_request
from pydantic import BaseModel, ConfigDict, ValidationError

from headgate.server.passing.outbox import Outbox
from headgate.server.passing.seats import Context, Seat, is_wanted

_OURS = frozenset(
    (
        types.PROTOCOL_VERSION_META_KEY,
        types.CLIENT_INFO_META_KEY,
        types.CLIENT_CAPABILITIES_META_KEY,
        "progressToken",
    )
)
"""What of a request's `_meta` is said anew to the upstream."""
_UNASKED_LEVEL = "info"
"""The log messages asked for on behalf of a client that has not said what it wants."""


class Whole(BaseModel):
    """A client's answer as it is."""

    model_config = ConfigDict(extra="allow")


class RequestClient:
    """The client of one request, of a client of the handshake era unless said otherwise."""

    takes_rounds = False

    def __init__(self, ctx: Context, seat: Seat | None) -> None:
        """`seat` is the client's own."""
        self._seat = seat
        self.who: Hashable = seat
        self.capabilities = capabilities_of(ctx.session, seat)
        self.wants_progress = ctx.meta is not None and ctx.meta.get("progress_token") is not None
        self.meta: Mapping[str, Any] = self._meta_in(ctx)
        self._ctx = ctx
        self._outbox = Outbox(ctx.session, ctx.request_id)

    async def ask(self, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Send the client the request, as part of its own.

        Raises:
            MCPError: It cannot or will not answer it.

        """
        refuse_what_it_cannot(method, params or {}, self.capabilities)
        return await asked(self._ctx.session, method, params, self._ctx.request_id)

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Pass a notification on, unless it is a log message that the client does not want."""
        if method != "notifications/message" or self._wants(params.get("level")):
            self._outbox.put(method, params)

    @property
    def quiet(self) -> bool:
        """Whether everything has been passed on."""
        return self._outbox.empty

    async def drained(self) -> None:
        """Wait until everything has been passed on."""
        await self._outbox.drained()

    def close(self) -> None:
        """Pass nothing more on: the request is over."""
        self._outbox.close()

    def _wants(self, level: object) -> bool:
        """Whether the client wants log messages of `level`. In the newer era none, unless its request says so."""
        if self._seat is not None:
            return is_wanted(level, self._seat.level)
        least = self.meta.get(types.LOG_LEVEL_META_KEY)
        return isinstance(least, str) and is_wanted(level, least)

    def _meta_in(self, ctx: Context) -> dict[str, Any]:
        given: object = (ctx.params or {}).get("_meta")
        shown: dict[str, Any] = {}
        if given is not None and isinstance(given, Mapping):
            meta = cast("Mapping[str, Any]", given)
            shown = {key: value for key, value in meta.items() if key not in _OURS}
        if self._seat is not None:
            shown.setdefault(types.LOG_LEVEL_META_KEY, self._seat.level or _UNASKED_LEVEL)
        return shown


class SeatClient:
    """A client of the handshake era outside of any request of its own."""

    meta: Mapping[str, Any] = {}
    wants_progress = False
    takes_rounds = False

    def __init__(self, seat: Seat) -> None:
        """It is reached over the stream that belongs to no request."""
        self.who: Hashable = seat
        self._seat = seat
        self.capabilities = capabilities_of(seat.session, seat)
        self._outbox = Outbox(seat.session, None)

    async def ask(self, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Send the client the request.

        Raises:
            MCPError: It cannot or will not answer it.

        """
        refuse_what_it_cannot(method, params or {}, self.capabilities)
        return await asked(self._seat.session, method, params, None)

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Pass a notification on, unless it is a log message that the client does not want."""
        if method != "notifications/message" or is_wanted(params.get("level"), self._seat.level):
            self._outbox.put(method, params)


class BatchClient(RequestClient):
    """The client of the calls in a batch. In the newer era its client cannot be asked: one answer ends the batch."""

    def __init__(self, ctx: Context, seat: Seat | None) -> None:
        """`seat` is `None` in the newer era."""
        super().__init__(ctx, seat)
        self.wants_progress = False
        level = self.meta.get(types.LOG_LEVEL_META_KEY)
        self.meta = {} if level is None else {types.LOG_LEVEL_META_KEY: level}
        if seat is None:
            self.who = id(ctx)
            self.capabilities = {}


class RoundsClient(RequestClient):
    """The client of a request of the newer era: what it is asked waits until the client makes its request again."""

    takes_rounds = True

    def __init__(self, ctx: Context, principal: str) -> None:
        """Nothing asked yet of the client of `principal`."""
        super().__init__(ctx, None)
        self.who = client_of(ctx, principal)
        self.asked = asyncio.Event()
        self.on_asked: Callable[[], None] | None = None
        """Told of each question, until this is closed."""
        self._open: dict[str, tuple[dict[str, Any], asyncio.Future[dict[str, Any]]]] = {}
        self._last = 0

    async def ask(self, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Wait for the round that brings the answer.

        Raises:
            MCPError: The client cannot be asked that.

        """
        refuse_what_it_cannot(method, params or {}, self.capabilities)
        self._last += 1
        key = f"{method.partition('/')[0]}-{self._last}"
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        question = {"method": method} if params is None else {"method": method, "params": {**params}}
        self._open[key] = (question, answer)
        self.asked.set()
        if self.on_asked is not None:
            self.on_asked()
        try:
            return await answer
        finally:
            del self._open[key]

    def close(self) -> None:
        """Pass nothing more on in this round."""
        super().close()
        self.on_asked = None

    def questions(self) -> dict[str, Any]:
        """What is to be answered, by keys of our own."""
        return {key: question for key, (question, _) in self._open.items()}

    def resume(self, ctx: Context, answers: object) -> None:
        """Go on with the client's next try and what it answers. What it leaves unanswered stays open."""
        self._outbox.close()
        self._ctx = ctx  # it is reached as part of this request from now on
        self._outbox = Outbox(ctx.session, ctx.request_id)
        given: Mapping[str, object] = cast("Mapping[str, object]", answers) if isinstance(answers, Mapping) else {}
        for key, (_, answer) in [*self._open.items()]:
            found = given.get(key)
            if isinstance(found, dict) and not answer.done():
                answer.set_result(cast("dict[str, Any]", found))
        if all(answer.done() for _, answer in self._open.values()):
            self.asked.clear()


async def asked(
    session: ServerSession, method: str, params: Mapping[str, Any] | None, request_id: types.RequestId | None
) -> dict[str, Any]:
    """What the client answers, who is asked as part of its request `request_id` or of none.

    Raises:
        MCPError: It answers with an error, or cannot be asked.

    """
    try:
        request: Any = parse_server_request(method, session.protocol_version, None if params is None else {**params})
        related = ServerMessageMetadata(related_request_id=request_id)
        answer = await session.send_request(request, Whole, metadata=related)
    except (KeyError, ValidationError):
        raise MCPError(types.INVALID_PARAMS, f"{method}: this is not a valid request, or its answer was not") from None
    except NoBackChannelError:
        raise MCPError(types.INVALID_REQUEST, f"{method}: the client cannot be asked any more") from None
    return answer.model_dump()


def capabilities_of(session: ServerSession, seat: Seat | None) -> Mapping[str, Any]:
    """What the client says that it can do. In the older era it says so once."""
    said = session.client_capabilities
    if seat is not None and said is seat.known:
        return seat.capabilities
    found: Mapping[str, Any] = {} if said is None else said.model_dump(by_alias=True, mode="json", exclude_none=True)
    if seat is not None:
        seat.known, seat.capabilities = said, found
    return found


def client_of(ctx: Context, principal: str) -> Hashable:
    """What requests of the same client of the newer era have in common."""
    said = ctx.session.client_params
    return principal, None if said is None else (said.client_info.name, said.client_info.version)


def refuse_what_it_cannot(method: str, params: Mapping[str, Any], capabilities: Mapping[str, Any]) -> None:
    """Refuse what the client has not said that it can do.

    Raises:
        MCPError: It has not.

    """
    what = method.partition("/")[0]
    within: object = capabilities.get(what)
    finer: Mapping[str, object] = cast("Mapping[str, object]", within) if isinstance(within, Mapping) else {}
    if what not in capabilities:
        missing = what
    elif params.get("mode") == "url" and "url" not in finer:
        missing = "elicitation.url"
    elif what == "sampling" and "tools" in params and "tools" not in finer:
        missing = "sampling.tools"
    else:
        return
    raise MCPError(types.INVALID_REQUEST, f"{method}: the client does not support {missing}")
