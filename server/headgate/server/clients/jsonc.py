"""JSON with comments and trailing commas: read it, and change one member without touching anything else.

Edits are made in the text itself, so order, indentation, comments and line endings of everything around them stay as
their owner wrote them. That holds for plain JSON as well, which a load and a dump would lay out anew.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, cast

_BLANK = re.compile(r"(?:[\s\ufeff]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_KEY_LINE = re.compile(r'^([ \t]+)"', re.MULTILINE)


class JsoncError(ValueError):
    """The text is not JSON, comments and trailing commas allowed."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value and where it stands in the text."""

    start: int
    end: int
    value: object
    members: Mapping[str, "Member"] = field(default_factory=dict[str, "Member"])
    """An object's members, in order."""


@dataclass(frozen=True, slots=True)
class Member:
    """One `"key": value` of an object."""

    start: int
    node: Node


def loads(text: str) -> object:
    """Plain value of `text`; an empty text is an empty object."""
    return _parse(text).value


def set_member(text: str, path: Sequence[str], value: object) -> str:
    """`text` with the member at `path` set to `value`; objects on the way are made where they are missing."""
    if not text.strip("\ufeff \t\r\n"):
        text = "{}\n"
    at, rest = _parse(text), list(path)
    while rest and rest[0] in at.members:
        at = at.members[rest.pop(0)].node
    if rest and not isinstance(at.value, dict):
        missing = len(path) - len(rest)
        raise JsoncError(f"{'.'.join(path[:missing]) or 'the file'} is not an object")
    if not rest:
        return text[: at.start] + _dump(value, _indent_at(text, at.start), text) + text[at.end :]
    for key in reversed(rest[1:]):
        value = {key: value}
    return _insert(text, at, rest[0], value)


def remove_member(text: str, path: Sequence[str]) -> str:
    """`text` without the member at `path`, which is there, and without the lines that it alone takes."""
    at = _parse(text)
    for key in path[:-1]:
        at = at.members[key].node
    names = list(at.members)
    place = names.index(path[-1])
    member = at.members[path[-1]]
    start, end = member.start, member.node.end
    comma = _skip(text, end)
    if text[comma] == ",":
        end = comma + 1
    elif place > 0:
        before = _skip(text, at.members[names[place - 1]].node.end)
        text = text[:before] + text[before + 1 :]
        start, end = start - 1, end - 1
    line = text.rfind("\n", 0, start) + 1
    if text[line:start].isspace() or line == start:
        rest = re.match(r"[ \t]*\r?\n", text[end:])
        return text[:line] + text[end + rest.end() :] if rest else text[:line].rstrip() + text[end:]
    return text[:start].rstrip(" \t") + text[end:]


def _insert(text: str, at: Node, key: str, value: object) -> str:
    newline, close = _newline(text), at.end - 1
    last = list(at.members.values())[-1] if at.members else None
    if last and "\n" not in text[at.start : at.end]:
        comma = "" if _after(text, last) == "," else ","
        spot = len(text[:close].rstrip())
        return f"{text[:spot]}{comma} {_quote(key)}: {json.dumps(value, ensure_ascii=False)}{text[spot:]}"
    outer = _indent_at(text, at.start)
    inner = _indent_at(text, last.start) if last else outer + _unit(text)
    member = f"{newline}{inner}{_quote(key)}: {_dump(value, inner, text)}"
    # What comes before the brace may end in a comment on the last member: the new one goes below it.
    spot = len(text[:close].rstrip())
    tail = f"{newline}{outer}" if "\n" not in text[spot:close] else text[spot:close]
    head = text[:spot]
    if last and _after(text, last) == ",":
        member += ","  # whoever ends the last member with a comma wants the next one to end so too
    elif last:
        head = f"{head[: last.node.end]},{head[last.node.end :]}"
    return head + member + tail + text[close:]


def _after(text: str, member: Member) -> str:
    return text[_skip(text, member.node.end)]


def _dump(value: object, indent: str, text: str) -> str:
    """Objects one member a line, lists on one line: how people write these files."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False)
    newline, inner = _newline(text), indent + _unit(text)
    members = cast("dict[str, object]", value)
    lines = [f"{inner}{_quote(key)}: {_dump(item, inner, text)}" for key, item in members.items()]
    return f"{{{newline}{f',{newline}'.join(lines)}{newline}{indent}}}"


def _quote(key: str) -> str:
    return json.dumps(key, ensure_ascii=False)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(text: str) -> str:
    first = _KEY_LINE.search(text)
    return first[1] if first else "  "


def _indent_at(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _parse(text: str) -> Node:
    start = _skip(text, 0)
    if start == len(text):
        return Node(start, start, {})
    try:
        root = _value(text, start)
    except RecursionError:
        raise JsoncError("it is nested too deeply") from None
    end = _skip(text, root.end)
    if end != len(text):
        _fail(text, end, "something follows the closing brace")
    return root


def _value(text: str, position: int) -> Node:
    match text[position : position + 1]:
        case "{":
            return _object(text, position)
        case "[":
            return _list(text, position)
        case _:
            return _scalar(text, position)


def _object(text: str, start: int) -> Node:
    members: dict[str, Member] = {}
    position = _skip(text, start + 1)
    while text[position : position + 1] != "}":
        if text[position : position + 1] != '"':
            _fail(text, position, 'expected a "key" or }')
        key = _scalar(text, position)
        colon = _skip(text, key.end)
        if text[colon : colon + 1] != ":":
            _fail(text, colon, "expected :")
        node = _value(text, _skip(text, colon + 1))
        members.pop(str(key.value), None)
        members[str(key.value)] = Member(position, node)
        position = _next(text, node.end, "}")
    return Node(start, position + 1, {key: member.node.value for key, member in members.items()}, members)


def _list(text: str, start: int) -> Node:
    items: list[object] = []
    position = _skip(text, start + 1)
    while text[position : position + 1] != "]":
        node = _value(text, position)
        items.append(node.value)
        position = _next(text, node.end, "]")
    return Node(start, position + 1, items)


def _next(text: str, position: int, close: str) -> int:
    position = _skip(text, position)
    if text[position : position + 1] == ",":
        return _skip(text, position + 1)
    if text[position : position + 1] != close:
        _fail(text, position, f"expected , or {close}")
    return position


def _scalar(text: str, position: int) -> Node:
    try:
        value, end = _decoder.raw_decode(text, position)
    except json.JSONDecodeError as wrong:
        _fail(text, wrong.pos, "expected a value" if wrong.msg == "Expecting value" else wrong.msg)
    return Node(position, end, value)


def _skip(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _fail(text: str, position: int, what: str) -> NoReturn:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    raise JsoncError(f"line {line}, column {column}: {what}")


def _no_constant(name: str) -> NoReturn:
    raise JsoncError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)
