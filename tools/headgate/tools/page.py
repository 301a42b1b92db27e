"""A part of a result that was too large for a reply: lists by item, anything else by character of its text."""

from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import Field
from pydantic_core import to_json

from headgate.tools.budget import cut
from headgate.tools.jsonpath import compile_path

_LEAST_BYTES = 8
"""Of a page, however small the limit: any character fits, so that whoever pages on comes to the end."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part: of what `path` finds, from `offset` on, `limit` items or characters at most."""

    path: str = "$"
    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1)] | None = None

    @property
    def begins(self) -> bool:
        """Whether it is the first of the pages of all that there is."""
        return self.offset == 0 and self.path in ("$", "")


def page_of(data: Any, page: Page, limit: int) -> dict[str, Any]:
    """The page as `data`, with `offset`, `of` and, where more follows, `next_offset`. `limit` is in bytes.

    Raises:
        BadPathError: The page's path is not one.

    """
    path = compile_path(page.path)
    matches = path.of(data)
    if path.singular and not matches:
        return {"data": None, "found": False}
    found: Any = matches[0] if path.singular else matches
    if not isinstance(found, list | str):
        whole = to_json(found).decode()
        if page.offset == 0 and page.limit is None and len(whole.encode()) <= limit:
            return {"data": found}
        found = whole
    parts = cast("list[Any] | str", found)
    wanted = parts[page.offset : None if page.limit is None else page.offset + page.limit]
    part = cut(wanted, max(limit, _LEAST_BYTES)).data
    if isinstance(part, str) and isinstance(wanted, list):
        # Not even one item fits: its text can be paged by naming it in the path.
        return {"data": part, "truncated": True, "offset": page.offset, "of": len(parts)}
    end = page.offset + len(part)
    answer: dict[str, Any] = {"data": part, "offset": page.offset, "of": len(parts)}
    return answer | {"next_offset": end} if end < len(parts) else answer
