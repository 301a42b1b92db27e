"""The `servers` of a document: the operator's address holds, and they can only lead further down. Pure: no I/O."""

import re
from typing import Any, cast
from urllib.parse import urljoin

from headgate.proxy.endpoints.address import BadAddressError, Base

_VARIABLE = re.compile(r"\{([^{}]+)\}")


def path_of_servers(base: Base, servers: Any) -> str | None:
    """The path below `base` that the first of `servers` within it leads to; None where all lie outside."""
    listed = cast("list[Any]", servers) if isinstance(servers, list) else []
    for server in listed:
        if not isinstance(server, dict):
            continue
        try:
            place = Base.of(urljoin(f"{base.origin}{base.prefix}/", _url_of(cast("dict[str, Any]", server))))
        except (BadAddressError, ValueError):
            continue
        if (place.scheme, place.host, place.port) == (base.scheme, base.host, base.port) and base.holds(
            place.prefix or "/"
        ):
            return place.prefix.removeprefix(base.prefix)
    return None


def _url_of(server: dict[str, Any]) -> str:
    return _VARIABLE.sub(lambda slot: _default(server.get("variables"), slot[1]), str(server.get("url", "")))


def _default(variables: Any, name: str) -> str:
    variable = cast("dict[str, Any]", variables).get(name) if isinstance(variables, dict) else None
    return str(cast("dict[str, Any]", variable).get("default", "")) if isinstance(variable, dict) else ""
