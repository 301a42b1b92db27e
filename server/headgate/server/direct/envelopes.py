"""The calls of a client of the newer era, which says in each who it is: mostly the same as in the last."""

from collections.abc import Mapping
from typing import Any, cast

import mcp_types as types
from mcp.server.connection import Connection, NotifyOnlyOutbound
from mcp.server.lowlevel.server import Server
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.inbound import InboundLadderRejection, classify_inbound_request
from mcp.shared.message import SessionMessage
from mcp_types.methods import serialize_server_result, validate_client_request
from pydantic import ValidationError

from headgate.proxy.rounds import requires_input
from headgate.server.callers import OPERATOR
from headgate.server.direct.context import Context, context_of
from headgate.server.fit import fitted
from headgate.server.passing.clients import RoundsClient
from headgate.server.passing.desk import Desk
from headgate.server.passing.handlers import COMPLETE
from headgate.server.plain_calls import has_plain_params, is_plain_result
from headgate.server.stdio import LinesOut

_TOKEN = "progressToken"  # noqa: S105 - no secret


class Envelopes:
    """See `Era`."""

    def __init__(self, server: Server[Any], writing: LinesOut) -> None:
        """Notifications go out through `writing`, and results say that they are of `server`."""
        self._outbound = NotifyOnlyOutbound(_Notices(writing))
        self._stamp = {types.SERVER_INFO_META_KEY: server.server_info_stamp}
        self._said: dict[str, Any] = {}
        """The latest envelope that was found to be well formed, and what follows from it."""
        self._connection: Connection
        self._meta: types.RequestParamsMeta

    def context(self, identity: types.RequestId, params: dict[str, Any]) -> Context | None:
        """The context of a call that is plain and whose envelope is well formed."""
        said: object = params.get("_meta")
        if not isinstance(said, dict) or not has_plain_params(params):
            return None
        envelope = cast("dict[str, Any]", said)
        token = envelope.get(_TOKEN)
        if token is not None:
            envelope = {key: value for key, value in envelope.items() if key != _TOKEN}
            if isinstance(token, bool) or not isinstance(token, int | str):
                return None
        if envelope != self._said and not self._open(envelope):
            return None
        meta = self._meta
        if token is not None:
            meta = cast("types.RequestParamsMeta", {**meta, "progress_token": token})
        return context_of(self._connection, identity, params, meta)

    def client(self, ctx: Context, desk: Desk) -> RoundsClient:
        """Whom the upstream of a read may ask, in rounds, and tell something."""
        del desk
        return RoundsClient(ctx, OPERATOR.principal)

    def fit(self, result: Mapping[str, Any]) -> Mapping[str, Any]:
        """A result as the client is sent it."""
        fields, version = {**result}, self._connection.protocol_version
        if is_plain_result(fields):
            return self.stamped(fields)
        shape = fields if requires_input(fields) else fitted(fields, version) | COMPLETE
        return self._signed(serialize_server_result("tools/call", version, shape))

    def stamped(self, result: dict[str, Any]) -> Mapping[str, Any]:
        """One that is known to be as every version has it."""
        return self._signed(result | COMPLETE)

    def _signed(self, result: dict[str, Any]) -> Mapping[str, Any]:
        return result | {"_meta": self._stamp | (result.get("_meta") or {})}

    def _open(self, envelope: dict[str, Any]) -> bool:
        """Take note of an envelope, if it is well formed."""
        params: dict[str, Any] = {"name": "", "arguments": {}, "_meta": envelope}
        route = classify_inbound_request({"method": "tools/call", "params": params})
        if isinstance(route, InboundLadderRejection):
            return False
        try:
            validate_client_request("tools/call", route.protocol_version, params)
            meta = types.RequestParams.model_validate(params, by_name=False).meta
        except (KeyError, ValidationError):
            return False
        if meta is None:
            return False
        self._connection = Connection.from_envelope(
            route.protocol_version, route.client_info, route.client_capabilities, outbound=self._outbound
        )
        self._said, self._meta = envelope, meta
        return True


class _Notices:
    """Notifications to a client that takes no requests."""

    def __init__(self, writing: LinesOut) -> None:
        self._writing = writing

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        del opts
        fields = None if params is None else {**params}
        await self._writing.send(SessionMessage(types.JSONRPCNotification(jsonrpc="2.0", method=method, params=fields)))

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        del params, opts
        raise NoBackChannelError(method)
