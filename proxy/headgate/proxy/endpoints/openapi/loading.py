"""A document from where the operator said that it is: a file, or an address under the same guards as every call."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from headgate.proxy.connection import CallFailedError, UnavailableError
from headgate.proxy.endpoints.address import BadAddressError, Base
from headgate.proxy.endpoints.client import client_for
from headgate.proxy.endpoints.dialing import Resolve
from headgate.proxy.endpoints.openapi.document import MAX_DOCUMENT
from headgate.proxy.endpoints.request import Prepared
from headgate.proxy.endpoints.vetting import reach_of

FETCH_S = 30.0
_ACCEPT = "application/json, application/yaml;q=0.9, */*;q=0.5"


async def content_of(place: str, base: Base, headers: Mapping[str, str], resolver: Resolve, *, private: bool) -> bytes:
    """The document at `place`; `headers` are those of the upstream at `base`, and are sent to no other origin.

    Raises:
        UnavailableError: It cannot be had.

    """
    if not place.startswith(("http://", "https://")):
        return await asyncio.to_thread(_read, place)
    where, target = _split(place)
    given: Mapping[str, str] = headers if where.origin == base.origin else {}
    reach = reach_of(where, allow_private=private)
    try:
        async with (
            asyncio.timeout(FETCH_S),
            client_for(where, given, reach, resolver=resolver, most=MAX_DOCUMENT) as client,
        ):
            response = await client.send(Prepared("GET", target, {"accept": _ACCEPT}))
    except TimeoutError:
        raise UnavailableError(f"its OpenAPI document did not arrive within {FETCH_S:g} s") from None
    except CallFailedError as failed:
        raise UnavailableError(f"its OpenAPI document cannot be fetched: {failed}") from None
    if response.status != 200:
        raise UnavailableError(f"its OpenAPI document cannot be fetched: HTTP {response.status}")
    return response.body


def _split(place: str) -> tuple[Base, str]:
    """The origin of the address `place`, and what to ask it for."""
    parts = urlsplit(place)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        where = Base.of(f"{parts.scheme}://{parts.netloc}")
    except BadAddressError as bad:
        raise UnavailableError(f"the address of its OpenAPI document cannot be used: {bad}") from None
    if not where.holds(target):
        raise UnavailableError("the address of its OpenAPI document holds something that is not allowed in one")
    return where, target


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_DOCUMENT + 1)
    except OSError as broken:
        reason = broken.strerror or "the system refused"
        raise UnavailableError(f'its OpenAPI document "{Path(path).name}" cannot be read: {reason}') from None
    if len(content) > MAX_DOCUMENT:
        raise UnavailableError(f"its OpenAPI document has more than {MAX_DOCUMENT // 1024 // 1024} MB")
    return content
