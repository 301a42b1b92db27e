"""The request: what a model hands over, checked and in one shape."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from headgate.tools.coerce import request_of
from headgate.tools.refusal import Problem, Refusal

OWN_TOOLS = frozenset(("batch_call", "batch_read", "find_tools", "get_result"))
_NOT_YET = {
    "for_each": "for_each is not available in this version: list one call for each item",
    "parallel_group": "parallel_group is not available in this version: leave it out, calls run at once anyway",
    "groups": "groups is not available in this version: leave it out, calls run at once anyway",
    "idempotency_key": "idempotency_key is not available in this version: leave it out; no write is sent twice",
}
_CALL_KNOWN = ("tool", "arguments", "id", "depends_on", "timeout_s", "select")
_BATCH_KNOWN = ("calls", "on_error", "timeout_s", "dry_run")
_MAX_TIMEOUT_S = 24 * 3600.0

CallId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Timeout = Annotated[float, Field(gt=0, le=_MAX_TIMEOUT_S, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a batch, as asked for."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    tool: Annotated[str, Field(min_length=1, max_length=256)]
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    id: CallId = ""
    depends_on: tuple[CallId, ...] = ()
    select: str | tuple[str, ...] | None = None
    """Paths of the parts of the data that go into the reply; `None` means all of it."""
    timeout_s: Timeout | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls with unique ids, in the order listed, and what holds for all of them."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    calls: Annotated[tuple[Call, ...], Field(min_length=1)]
    on_error: Literal["continue", "stop"] = "continue"
    timeout_s: Timeout | None = None
    dry_run: Annotated[bool, Field(strict=True)] = False


_BATCH = TypeAdapter(Batch)


def parse_batch(raw: object, *, max_calls: int) -> Batch | Refusal:
    """The batch that `raw` stands for, or everything that is wrong with its shape."""
    request = request_of(raw)
    if not isinstance(request, dict):
        return Refusal((Problem("INVALID_REQUEST", "", 'a request is an object with a list "calls"'),))
    problems = _refused_before_parsing(cast("dict[str, Any]", request), max_calls)
    if problems:
        return Refusal(tuple(problems))
    try:
        batch = _BATCH.validate_python(request)
    except ValidationError as invalid:
        return Refusal(tuple(_problems_of(invalid)))
    except RecursionError:
        return Refusal((Problem("TOO_DEEP", "calls", "the request is nested too deeply"),))
    return _with_ids(batch)


def _refused_before_parsing(request: dict[str, Any], max_calls: int) -> list[Problem]:
    calls = request.get("calls")
    problems = [Problem("NOT_SUPPORTED", key, _NOT_YET[key]) for key in ("groups",) if request.get(key)]
    if not isinstance(calls, list):
        return problems
    listed = cast("list[object]", calls)
    if len(listed) > max_calls:
        message = f"{len(listed)} calls, and at most {max_calls} go into one batch: send them in several batches"
        return [*problems, Problem("TOO_MANY_CALLS", "calls", message)]
    for index, call in enumerate(listed):
        if isinstance(call, dict):
            fields = cast("dict[str, Any]", call)
            unavailable = [key for key in fields if key in _NOT_YET]
            problems += [Problem("NOT_SUPPORTED", f"calls[{index}].{key}", _NOT_YET[key]) for key in unavailable]
    return problems


def _with_ids(batch: Batch) -> Batch | Refusal:
    """`batch` with `c1`, `c2`, … where no id was given, or its duplicate ids."""
    seen: dict[str, int] = {}
    problems: list[Problem] = []
    calls: list[Call] = []
    for index, call in enumerate(batch.calls):
        identity = call.id or f"c{index + 1}"
        first = seen.setdefault(identity, index)
        if first != index:
            message = f'id "{identity}" is already that of calls[{first}]: give each call its own'
            problems.append(Problem("DUPLICATE_ID", f"calls[{index}].id", message))
        calls.append(call if call.id else _named(call, identity))
    if problems:
        return Refusal(tuple(problems))
    return Batch(tuple(calls), batch.on_error, batch.timeout_s, batch.dry_run)


def _named(call: Call, identity: str) -> Call:
    return Call(call.tool, call.arguments, identity, call.depends_on, call.select, call.timeout_s)


def _problems_of(invalid: ValidationError) -> list[Problem]:
    problems: list[Problem] = []
    errors = invalid.errors(include_url=False, include_context=False, include_input=False)
    for error in errors:
        if error["type"] == "too_short" and len(errors) > 1:
            continue  # pydantic counts only the calls that were well formed
        where = "".join(_step(step) for step in error["loc"]).removeprefix(".")
        problems.append(Problem("INVALID_REQUEST", where, _explained(error["type"], error["msg"], where)))
    return problems


def _step(step: int | str) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{step}"


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
            return "an id is 1 to 64 characters of A-Z a-z 0-9 _ -"
        case _:
            return message[:1].lower() + message[1:]
