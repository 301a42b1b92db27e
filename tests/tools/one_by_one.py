"""The reference: a batch's calls made one by one, in the plainest way that the contract can be written down.

It knows nothing of plans, scopes or schedules. Everything is quadratic and says what the contract says.
"""

import json
from collections.abc import Sequence
from typing import Any, cast

from tests.tools.world import Asked, Result, World


def effective_order(asked: Sequence[Asked]) -> list[int]:
    """As listed; calls that wait for a later one stand right behind it, among each other as they are listed."""
    order: list[int] = []
    made: set[str] = set()
    for reached in range(len(asked)):
        while True:
            free = (at for at in range(reached + 1) if at not in order and made.issuperset(asked[at].sources))
            found = next(free, None)
            if found is None:
                break
            order.append(found)
            made.add(asked[found].id)
    return order


def must_wait(earlier: Asked, later: Asked, serialize: str) -> bool:
    """Whether `later` waits for `earlier`, which stands before it in the effective order."""
    if earlier.id in later.waited:
        return True
    if same_chain(earlier, later, serialize):
        return True
    return earlier.known and later.known and "write" in (earlier.kind, later.kind) and meet(earlier, later, serialize)


def same_chain(one: Asked, other: Asked, serialize: str) -> bool:
    if one.kind != "write" or other.kind != "write":
        return False
    if serialize == "batch":
        return True
    return meet(one, other, serialize) if serialize == "resource" else one.upstream == other.upstream


def meet(one: Asked, other: Asked, serialize: str) -> bool:
    """Whether two calls touch the same scope."""
    first, second = touched(one, serialize), touched(other, serialize)
    return one.upstream == other.upstream and (first is None or second is None or first == second)


def touched(one: Asked, serialize: str) -> str | None:
    """The resource that a call names before anything has run; `None` for its whole upstream."""
    narrow = one.resource and isinstance(one.arguments["k"], str)
    if serialize == "resource" and one.kind == "write" and not one.idempotent:
        return None
    return str(one.arguments["k"]) if narrow else None


def one_by_one(asked: Sequence[Asked], world: World, serialize: str) -> dict[str, Result]:
    """Make every call in order; what became of each, by id."""
    results: dict[str, Result] = {}
    order = [asked[index] for index in effective_order(asked)]
    invalid = next((one.id for one in order if one.kind == "write" and one.invalid), None)
    for at, one in enumerate(order):
        results[one.id] = _made(one, order[:at], results, world, (serialize, invalid))
    return results


def _made(
    one: Asked, before: list[Asked], results: dict[str, Result], world: World, how: tuple[str, str | None]
) -> Result:
    serialize, invalid = how
    if one.fault is not None:
        return one.fault, None
    for source in one.hard:
        if results[source][0] != "ok":
            cause = source
            while results[cause][0] == "DEPENDENCY_FAILED":
                cause = str(results[cause][1])
            return "DEPENDENCY_FAILED", cause
    if one.kind == "write":
        failed = [it.id for it in before if same_chain(it, one, serialize) and results[it.id][0] != "ok"]
        if invalid or failed:
            return "CHAIN_HALTED", invalid or failed[0]
    if one.items is None:
        return _sent(one, None, results, world)
    answers: list[Result] = []
    for item in one.items:
        answers.append(_sent(one, item, results, world))
        if answers[-1][0] != "ok" and (one.kind == "write" or answers[-1][0] not in SENT):
            break
    failed = [code for code, _ in answers if code != "ok"]
    return (failed[0], None) if failed else ("ok", [data for _, data in answers])


SENT = ("TOOL_ERROR", "TOOL_TIMEOUT", "OUTCOME_UNKNOWN")


def _sent(one: Asked, item: str | None, results: dict[str, Result], world: World) -> Result:
    """One call, or one item of it."""
    arguments: dict[str, Any] = {}
    for name, value in one.arguments.items():
        found, filled = (True, item) if value == {"$item": "$"} else _filled(value, results)
        if not found:
            return "REFERENCE_NOT_FOUND", None
        arguments[name] = filled
    return ("INVALID_ARGUMENTS", None) if world.refuses(arguments) else world.make(one, arguments)


def _filled(value: Any, results: dict[str, Result]) -> tuple[bool, Any]:
    """One argument with its reference, if it is one, replaced; whether that went well."""
    if not isinstance(value, dict):
        return True, value
    written = cast("dict[str, Any]", value)
    if "$format" in written:
        found, inner = _filled(written["x"], results)
        text = inner if isinstance(inner, str) else json.dumps(inner, separators=(",", ":"))
        return found, str(written["$format"]).replace("{x}", text)
    status, data = results[written["$from"]]
    name = str(written["path"]).removeprefix("$.")
    if status == "ok" and name == "$":
        return True, data
    if name == "all[*]" and status == "ok":
        matches = list(cast("dict[str, list[Any]]", data)["all"]) if isinstance(data, dict) else []
        return (True, matches) if matches or "default" not in written else (True, written["default"])
    if status == "ok" and name in data:
        return True, data[name]
    return "default" in written, written.get("default")
