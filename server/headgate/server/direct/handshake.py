"""The calls of a client that has shaken hands: it is known once and for all."""

from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp.server.connection import Connection
from mcp_types.methods import serialize_server_result
from pydantic import ValidationError

from headgate.server.direct.context import Context, context_of
from headgate.server.fit import fitted
from headgate.server.passing.clients import RequestClient
from headgate.server.passing.desk import Desk
from headgate.server.plain_calls import is_plain_call, is_plain_result


class Handshake:
    """See `Era`."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is the SDK's."""
        self._connection = connection

    def context(self, identity: types.RequestId, params: dict[str, Any]) -> Context | None:
        """The context of a call that is plain."""
        ctx = context_of(self._connection, identity, params, _meta_in(params))
        return ctx if is_plain_call(ctx) else None

    def client(self, ctx: Context, desk: Desk) -> RequestClient:
        """Whom the upstream of a read may ask and tell something."""
        return RequestClient(ctx, desk.seats.of(ctx))

    def fit(self, result: Mapping[str, Any]) -> Mapping[str, Any]:
        """A result as the client is sent it."""
        fields, version = {**result}, self._connection.protocol_version
        fields.pop("resultType", None)  # of the newer era
        if is_plain_result(fields):
            return fields
        return serialize_server_result("tools/call", version, fitted(fields, version))

    def stamped(self, result: dict[str, Any]) -> Mapping[str, Any]:
        """One that is known to be as every version has it."""
        return result


def _meta_in(params: Mapping[str, Any]) -> types.RequestParamsMeta | None:
    if "_meta" not in params:
        return None
    try:
        return types.RequestParams.model_validate(params, by_name=False).meta
    except ValidationError:
        return None
