"""What an upstream's answer says: the data that references see, and the blocks that are no text."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from headgate.tools.depth import MAX_DATA_DEPTH, depth_of
from headgate.tools.exact import exact
from headgate.tools.outcome import Answer, Failure

MAX_ERROR_TEXT = 2_000
"""Characters of an upstream's own error text that go into an envelope."""
_TOO_DEEP = f"(answered with data nested deeper than {MAX_DATA_DEPTH} levels, which cannot be passed on)"
_INPUT_REQUIRED = "it asks for input from a person, which a call in a batch cannot give: call it directly"


def read_result(result: Mapping[str, Any]) -> Answer | Failure:
    """The answer or failure that a `tools/call` result stands for."""
    if result.get("resultType") == "input_required":
        return Failure("error", "UPSTREAM_ERROR", _INPUT_REQUIRED)
    texts: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    content: object = result.get("content")
    for block in cast("list[object]", content) if isinstance(content, list) else ():
        if isinstance(block, dict):
            fields = cast("dict[str, Any]", block)
            (texts if fields.get("type") == "text" else others).append(fields)
    if result.get("isError") is True:
        return Failure("error", "TOOL_ERROR", _error_text([*texts, *others], result))
    structured = result.get("structuredContent")
    if structured is None:
        return Answer(_data_of(texts), tuple(others))
    # The call did work, so it is no failure; but nothing after this could carry or search such data.
    deep = depth_of(structured, MAX_DATA_DEPTH) > MAX_DATA_DEPTH
    return Answer(_TOO_DEEP if deep else structured, tuple(others))


def _data_of(texts: Sequence[Mapping[str, Any]]) -> Any:
    """A single text as the object or list that it says; else the texts as they are."""
    if not texts:
        return None
    text = "\n".join(str(block.get("text", "")) for block in texts)
    if text.lstrip().startswith(("{", "[")):
        try:
            said = exact(text.encode())
        except ValueError:
            return text
        return text if depth_of(said, MAX_DATA_DEPTH) > MAX_DATA_DEPTH else said
    return text


def _error_text(blocks: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> str:
    text = "\n".join(str(block["text"]) for block in blocks if isinstance(block.get("text"), str)).strip()
    if not text and isinstance(result.get("structuredContent"), dict):
        text = str(cast("Mapping[str, Any]", result["structuredContent"]).get("message", ""))
    return presentable(text) or "the tool reported an error without a text"


def presentable(text: str) -> str:
    """An upstream's error text as a reader can use it: no page of HTML, no traceback, not endless."""
    text = text.strip()
    start = text[:200].lower()
    if "<!doctype html" in start or "<html" in start:
        return "the upstream answered with an HTML page"
    head, traced, _ = text.partition("Traceback (most recent call last):")
    if traced:
        last = text.rpartition("\n")[2].strip()
        text = f"{head.strip()} {last}".strip()
    return text if len(text) <= MAX_ERROR_TEXT else f"{text[:MAX_ERROR_TEXT]}…"
