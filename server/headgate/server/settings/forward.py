"""`idempotency` of a tool: where its upstream takes an idempotency key."""

import re
from collections.abc import Mapping
from typing import Literal

from headgate.proxy.endpoints.naming import argument_name
from headgate.server.settings.lines import KeyPath
from headgate.server.settings.problems import Findings
from headgate.server.settings.schema import Upstream
from headgate.tools.rules import Forward

_PLACES: tuple[Literal["header", "argument", "meta"], ...] = ("header", "argument", "meta")
_HOW = 'write { header = "NAME" }, { argument = "NAME" } or { meta = "NAME" }'
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TAKEN = frozenset(("authorization", "content-type", "content-length", "host", "accept", "connection", "cookie"))
"""Headers that a request has anyway, or that say who asks."""


def forward(written: Mapping[str, str] | None) -> Forward | None:
    """What the table says, where there is one and `check_forward` has nothing against it."""
    return next((Forward(into, written[into]) for into in _PLACES if written and into in written), None)


def check_forward(path: KeyPath, written: Mapping[str, str] | None, upstream: Upstream, findings: Findings) -> None:
    """Tell what is wrong with the `idempotency` of the tool at `path`."""
    if written is None:
        return
    place = (*path, "idempotency")
    found = forward(written)
    if found is None or len(written) != 1:
        findings.problem(place, f"this says where the tool takes an idempotency key, in one place: {_HOW}")
    elif not found.name.strip():
        findings.problem(place, f"the name is empty: {_HOW}")
    elif found.into == "header":
        _check_header(place, found.name, upstream, findings)
    elif upstream.http is not None:
        _check_endpoint(place, found, upstream, findings)


def _check_header(place: KeyPath, name: str, upstream: Upstream, findings: Findings) -> None:
    if upstream.command is not None or upstream.transport == "sse":
        what = "a server that is started" if upstream.command is not None else "the SSE transport"
        findings.problem(place, f"{what} takes no headers with a call: use argument or meta")
    elif not _HEADER_NAME.fullmatch(name):
        findings.problem(place, 'a header\'s name is letters, digits and hyphens: write { header = "Idempotency-Key" }')
    elif name.lower() in _TAKEN or name.lower().startswith("mcp-"):
        findings.problem(place, "this header is not free to carry a key: name the one that the API documents")


def _check_endpoint(place: KeyPath, found: Forward, upstream: Upstream, findings: Findings) -> None:
    tool = upstream.tools[str(place[-2])]
    if found.into == "meta":
        findings.problem(place, "plain HTTP has no meta: use header or argument")
    elif tool.path is not None:
        body = [tool.body] if isinstance(tool.body, str) else tool.body or []
        names = [*(tool.query or ()), *(tool.headers or ()), *body, *(tool.form or ())]
        if found.name not in map(argument_name, names):
            findings.problem(place, "no argument of this tool has that name: name it in query, headers, body or form")
