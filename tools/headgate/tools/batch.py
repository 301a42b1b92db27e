"""The request: what a model hands over, checked and in one shape."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from headgate.tools.coerce import request_of
from headgate.tools.refusal import Problem, Refusal

OWN_TOOLS = frozenset(("batch_call", "batch_read", "find_tools", "get_result"))
_CALL_KNOWN = (
    "tool", "arguments", "id", "depends_on", "for_each", "parallel_group", "timeout_s", "select", "idempotency_key",
)  # fmt: skip
_BATCH_KNOWN = ("calls", "groups", "on_error", "timeout_s", "dry_run")
MAX_TOOL = 256
"""Characters of a tool's name."""
_PLAIN_FIELDS = 2
_MAX_TIMEOUT_S = 24 * 3600.0

CallId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Timeout = Annotated[float, Field(gt=0, le=_MAX_TIMEOUT_S, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a batch, as asked for."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    tool: Annotated[str, Field(min_length=1, max_length=MAX_TOOL)]
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    id: CallId = ""
    depends_on: tuple[CallId, ...] = ()
    select: str | tuple[str, ...] | None = None
    """Paths of the parts of the data that go into the reply; `None` means all of it."""
    timeout_s: Timeout | None = None
    for_each: list[Any] | dict[str, Any] | None = None
    """A list, or a reference to one: the call runs once for each item."""
    parallel_group: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    idempotency_key: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,200}$")] | None = None
    """Of a write: under the same one it is made once. To a read it means nothing."""


@dataclass(frozen=True, slots=True)
class Group:
    """What holds for all calls of one `parallel_group`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    concurrency: Annotated[int, Field(ge=1, le=1_000)]


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls in the order listed, `c1`, `c2`, … where they gave no id, and what holds for all of them."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    calls: Annotated[tuple[Call, ...], Field(min_length=1)]
    on_error: Literal["continue", "stop"] = "continue"
    timeout_s: Timeout | None = None
    dry_run: Annotated[bool, Field(strict=True)] = False
    groups: Mapping[str, Group] = field(default_factory=dict[str, Group])
    """Caps, by label; a label that is not here is only a label."""


_BATCH = TypeAdapter(Batch)


def parse_batch(raw: object, *, max_calls: int) -> Batch | Refusal:
    """The batch that `raw` stands for, or everything that is wrong with its shape."""
    alone = _plainest(raw)
    if alone is not None and max_calls > 0:
        return alone
    request = request_of(raw)
    if not isinstance(request, dict):
        return Refusal((Problem("INVALID_REQUEST", "", 'a request is an object with a list "calls"'),))
    fields = cast("dict[str, Any]", request)
    calls = fields.get("calls")
    if isinstance(calls, list):
        listed = cast("list[object]", calls)
        if len(listed) > max_calls:
            message = f"{len(listed)} calls, and at most {max_calls} go into one batch: send them in several batches"
            return Refusal((Problem("TOO_MANY_CALLS", "calls", message),))
        fields = {**fields, "calls": [_with_id(call, index) for index, call in enumerate(listed, 1)]}
    try:
        return _BATCH.validate_python(fields)
    except ValidationError as invalid:
        return Refusal(tuple(_problems_of(invalid)))
    except RecursionError:
        return Refusal((Problem("TOO_DEEP", "calls", "the request is nested too deeply"),))


def _plainest(raw: object) -> Batch | None:
    """One call with a tool and its arguments and nothing else, which needs no model to be judged.

    It costs little more in a batch than without one, and looking at it closely would be a good part of that.
    """
    request = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
    calls: object = request.get("calls") if len(request) == 1 else None
    listed = cast("list[object]", calls) if isinstance(calls, list) else []
    call = cast("dict[str, Any]", listed[0]) if len(listed) == 1 and isinstance(listed[0], dict) else {}
    tool, arguments = call.get("tool"), call.get("arguments")
    if len(call) != _PLAIN_FIELDS or not isinstance(tool, str) or not 0 < len(tool) <= MAX_TOOL:
        return None
    if not isinstance(arguments, dict):
        return None
    return Batch((Call(tool, cast("dict[str, Any]", arguments), "c1"),))


def _with_id(call: object, number: int) -> object:
    if not isinstance(call, dict) or "id" in call:
        return cast("object", call)
    return {"id": f"c{number}", **cast("dict[str, Any]", call)}


def _problems_of(invalid: ValidationError) -> list[Problem]:
    problems: list[Problem] = []
    errors = invalid.errors(include_url=False, include_context=False, include_input=False)
    for error in errors:
        if error["type"] == "too_short" and len(errors) > 1:
            continue  # pydantic counts only the calls that were well formed
        either = _of_several_shapes(error["loc"])
        if either is not None:
            problems += [either] if either not in problems else []
            continue
        where = "".join(_step(step) for step in error["loc"]).removeprefix(".")
        problems.append(Problem("INVALID_REQUEST", where, _explained(error["type"], error["msg"], where)))
    return problems


_SHAPES = {
    "for_each": "for_each takes a list, or a reference to one",
    "select": "select takes a path, or a list of paths",
}


def _of_several_shapes(place: tuple[int | str, ...]) -> Problem | None:
    """What is wrong with a field that may have several shapes: pydantic tells it for each of them."""
    if len(place) < 4 or place[0] != "calls" or place[2] not in _SHAPES:
        return None
    where = "".join(_step(step) for step in place[:3]).removeprefix(".")
    return Problem("INVALID_REQUEST", where, _SHAPES[str(place[2])])


def _step(step: int | str) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{step}"


_IN_JSON = {"tuple_type": "input should be a list", "dict_type": "input should be an object"}
"""What pydantic says in Python's words."""


def _explained(kind: str, message: str, where: str) -> str:
    field_name = where.rpartition(".")[2]
    match kind:
        case "missing":
            return f'"{field_name}" is missing'
        case "unexpected_keyword_argument":
            known = _CALL_KNOWN if where.startswith("calls[") else _BATCH_KNOWN
            return f'unknown field "{field_name}"; known are {", ".join(known)}'
        case "dataclass_type":
            return 'a call is an object with a "tool" and its "arguments"'
        case "too_short":
            return "a batch needs at least one call"
        case "string_pattern_mismatch":
            if field_name == "idempotency_key":
                return "an idempotency_key is 1 to 200 characters of printable ASCII, without spaces"
            return "an id is 1 to 64 characters of A-Z a-z 0-9 _ -"
        case _:
            return _IN_JSON.get(kind, message[:1].lower() + message[1:])
