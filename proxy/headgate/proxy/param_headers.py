"""Arguments that a tool wants to see in HTTP headers too, so that whatever routes its calls need not read their bodies.

Such a tool says so in its schema, with `x-mcp-header`; it is part of the protocol's era without sessions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from mcp.shared.inbound import find_invalid_x_mcp_header, mcp_param_headers, x_mcp_header_map


class ParamHeaders:
    """The headers that each tool asks for, as last listed."""

    def __init__(self) -> None:
        """No tool has asked for any."""
        self._wanted: dict[str, Mapping[tuple[str, ...], str]] = {}

    def note(self, tools: Sequence[object]) -> None:
        """Look at a page of tools/list. What is asked for in a way that is not valid is not given."""
        for tool in tools:
            fields = cast("dict[str, Any]", tool) if isinstance(tool, dict) else {}
            name, schema = fields.get("name"), fields.get("inputSchema")
            if isinstance(name, str):
                valid = isinstance(schema, dict) and find_invalid_x_mcp_header(schema) is None
                self._wanted[name] = x_mcp_header_map(schema) if valid else {}

    def of(self, name: str, arguments: Mapping[str, Any]) -> dict[str, str]:
        """The headers of a call."""
        wanted = self._wanted.get(name)
        return mcp_param_headers(wanted, arguments) if wanted else {}
