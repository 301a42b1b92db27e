"""The resources that the suite reads."""

from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from tests.real.conformance_server.answers import LISTED, Answer, Context
from tests.real.conformance_server.media import PNG

RESOURCES: dict[str, Answer] = {
    "test://static-text": {"mimeType": "text/plain", "text": "This is the content of the static text resource."},
    "test://static-binary": {"mimeType": "image/png", "blob": PNG},
    "test://watched-resource": {"mimeType": "text/plain", "text": "Watched."},
}
_TEMPLATE = ("test://template/", "/data")


async def list_resources(_ctx: Context, _params: object) -> Any:
    resources = [
        {"uri": uri, "name": uri.removeprefix("test://"), "description": uri, "mimeType": found["mimeType"]}
        for uri, found in RESOURCES.items()
    ]
    return {**LISTED, "resources": resources}


async def list_templates(_ctx: Context, _params: object) -> Any:
    template = {"uriTemplate": "test://template/{id}/data", "name": "template", "mimeType": "application/json"}
    return {**LISTED, "resourceTemplates": [template]}


async def read_resource(_ctx: Context, params: types.ReadResourceRequestParams) -> Any:
    uri, (head, tail) = str(params.uri), _TEMPLATE
    if uri.startswith(head) and uri.endswith(tail):
        inner = uri.removeprefix(head).removesuffix(tail)
        found = {"mimeType": "application/json", "text": f'{{"id":"{inner}","templateTest":true}}'}
    elif uri in RESOURCES:
        found = RESOURCES[uri]
    else:
        raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})
    return {**LISTED, "contents": [{"uri": uri, **found}]}
