"""Simulated upstreams with a state that writes change and reads return, and random batches over them.

A batch is made of bytes, ten for each call, so that making one is cheap and a failing one shrinks well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from zlib import crc32

from hypothesis import strategies as st

from headgate.tools.catalogue import Catalogue, Listing, Tool
from headgate.tools.outcome import Answer, Failure
from headgate.tools.plan import Serialize
from headgate.tools.rules import ToolRules, UpstreamRules

Result = tuple[str, Any]
"""`ok` and the data; or the error code, and the id of the call at fault where another one is."""

UPSTREAMS = ("a", "b", "c")
_RESOURCE = "r:{k}"
TOOLS: dict[str, ToolRules] = {
    "get": ToolRules(kind="read", resource=_RESOURCE),
    "list": ToolRules(kind="read"),
    "put": ToolRules(kind="write", resource=_RESOURCE, idempotent=True),
    "bump": ToolRules(kind="write", resource=_RESOURCE),
    "reset": ToolRules(kind="write"),
}
_CHOICE = ("get", "get", "get", "list", "list", "put", "put", "put", "bump", "reset")
_PATHS = ("$.value", "$.value", "$.key", "$", "$.all[*]", "$.missing")
_KEYS = ("k1", "k2", "k3")
CATALOGUE = Catalogue(
    [
        *(Listing(name, UpstreamRules(tools=TOOLS), tuple({"name": tool} for tool in TOOLS)) for name in UPSTREAMS),
        Listing("down", UpstreamRules(), (), "connection refused"),
    ]
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One call as asked for, and how the simulated upstream will take it."""

    id: str
    upstream: str
    tool: str
    arguments: dict[str, Any]
    hard: tuple[str, ...]
    soft: tuple[str, ...]
    guessed: tuple[str, ...]
    """Calls whose data it does not wait for: it speculates."""
    items: tuple[str, ...] | None
    """The items of its `for_each`."""
    depends_on: tuple[str, ...]
    fate: Literal["ok", "refused", "applied", "lost"]
    reaches_s: int
    """Seconds until the upstream acts on it."""
    returns_s: int
    """Seconds until its answer is back after that."""

    @property
    def known(self) -> bool:
        return self.upstream in UPSTREAMS

    @property
    def rules(self) -> ToolRules:
        return TOOLS[self.tool] if self.known else ToolRules(kind="write")

    @property
    def kind(self) -> str:
        return self.rules.kind or "write"

    @property
    def resource(self) -> bool:
        return self.rules.resource is not None

    @property
    def idempotent(self) -> bool:
        return self.rules.idempotent

    @property
    def sources(self) -> tuple[str, ...]:
        return (*self.hard, *self.soft, *self.guessed)

    @property
    def waited(self) -> tuple[str, ...]:
        return (*self.hard, *self.soft)

    @property
    def fault(self) -> str | None:
        """Why it can never run, as far as that can be known before anything runs."""
        if not self.known:
            return "UPSTREAM_UNAVAILABLE" if self.upstream == "down" else "UNKNOWN_TOOL"
        refers = isinstance(self.arguments["x"], dict) or (self.items is None and isinstance(self.arguments["k"], dict))
        sent = self.items is None or len(self.items) > 0
        return "INVALID_ARGUMENTS" if sent and not refers and World.refuses(self.arguments) else None

    @property
    def invalid(self) -> bool:
        return self.fault in ("UNKNOWN_TOOL", "INVALID_ARGUMENTS")

    def as_call(self) -> dict[str, Any]:
        call = {"id": self.id, "tool": f"{self.upstream}__{self.tool}", "arguments": self.arguments}
        call |= {"for_each": list(self.items)} if self.items is not None else {}
        return call | ({"depends_on": list(self.depends_on)} if self.depends_on else {})


@dataclass(slots=True)
class World:
    """The state behind every upstream."""

    state: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    @staticmethod
    def refuses(arguments: Mapping[str, Any]) -> bool:
        """Whether the tools' schema rejects these arguments."""
        x = arguments.get("x")
        return isinstance(x, int) and x % 5 == 0

    @classmethod
    def check(cls, _tool: Tool, arguments: Mapping[str, Any]) -> str | None:
        return "x is out of range" if cls.refuses(arguments) else None

    def make(self, one: Asked, arguments: Mapping[str, Any]) -> Result:
        """Act on a call as its upstream does: what it answers depends on all that was written before."""
        if one.fate == "refused":
            return "TOOL_ERROR", None
        key = str(arguments["k"])
        if one.kind == "write" and one.fate != "lost":
            self._write(one, key, arguments)
        if one.fate != "ok":
            return ("OUTCOME_UNKNOWN" if one.kind == "write" else "TOOL_TIMEOUT"), None
        return "ok", {"key": key, "value": self.state.get((one.upstream, key), 0), "all": self._all(one, key)}

    def _all(self, one: Asked, key: str) -> list[list[Any]]:
        held = sorted((where[1], value) for where, value in self.state.items() if where[0] == one.upstream)
        return [[name, value] for name, value in held if not one.resource or name == key]

    def _write(self, one: Asked, key: str, arguments: Mapping[str, Any]) -> None:
        keys = [key] if one.resource else [name for upstream, name in self.state if upstream == one.upstream] + [key]
        for name in keys:
            # Not commutative: any two writes in the other order leave another state.
            old = self.state.get((one.upstream, name), 0)
            self.state[one.upstream, name] = crc32(f"{old} {one.id} {sorted(arguments.items())}".encode()) % 10_000


def as_result(result: Answer | Failure) -> Result:
    """What a schedule was told or has decided, in the reference's words."""
    if isinstance(result, Answer):
        return "ok", result.data
    named = result.message.split('"')
    caused = result.code in ("DEPENDENCY_FAILED", "CHAIN_HALTED")
    return result.code, named[1] if caused else None


def as_event(result: Result) -> Answer | Failure:
    code, data = result
    match code:
        case "ok":
            return Answer(data)
        case "OUTCOME_UNKNOWN":
            return Failure("unknown", "OUTCOME_UNKNOWN", "no answer")
        case "TOOL_TIMEOUT":
            return Failure("timeout", "TOOL_TIMEOUT", "no answer")
        case _:
            return Failure("error", "TOOL_ERROR", "it says no")


@dataclass(frozen=True, slots=True)
class Asking:
    """A random batch."""

    calls: tuple[Asked, ...]
    serialize: Serialize

    def __repr__(self) -> str:
        lines = "\n".join(f"  {one.as_call()} {one.fate} {one.reaches_s}+{one.returns_s} s" for one in self.calls)
        return f"serialize = {self.serialize}\n{lines}"


def asking(max_calls: int = 60, *, guessing: bool = False) -> st.SearchStrategy[Asking]:
    """Random batches; with `guessing`, some of their reads speculate."""
    sizes = st.integers(1, max_calls)
    texts = sizes.flatmap(lambda count: st.binary(min_size=10 * count, max_size=10 * count))
    return st.builds(
        _asking, texts, st.sampled_from(("batch", "batch", "upstream", "resource")), guessing=st.just(guessing)
    )


def _asking(text: bytes, serialize: Serialize, *, guessing: bool) -> Asking:
    rows = [text[at : at + 10] for at in range(0, len(text), 10)]
    # A call may wait for any of a smaller rank: mostly for those before it, sometimes for one listed later.
    ranks = [index + (len(rows) if row[9] > 220 else 0) for index, row in enumerate(rows)]
    calls: list[Asked] = []
    for index, row in enumerate(rows):
        sources = [f"c{other}" for other, rank in enumerate(ranks) if rank < ranks[index]]
        calls.append(_asked(f"c{index}", row, sources, guessing=guessing))
    return Asking(tuple(calls), serialize)


def _asked(identity: str, row: bytes, sources: list[str], *, guessing: bool) -> Asked:
    upstream, tool = UPSTREAMS[row[0] % 3], _CHOICE[row[0] // 3 % 10]
    if row[1] >= 252:
        upstream = "down" if row[1] % 2 else "nowhere"
    arguments: dict[str, Any] = {"k": _KEYS[row[1] % 3], "x": 0 if row[2] == 255 else 1}
    hard: list[str] = []
    soft: list[str] = []
    guessed: list[str] = []
    items = None
    if row[8] >= 232:
        items = _KEYS[: row[8] % 4]
        arguments["k"] = {"$item": "$"}
    if sources and row[5] < 64:
        hard.append(sources[-1 - row[5] % len(sources)])
    depends_on = tuple(hard)
    if sources and row[2] % 8 < 4:
        source = sources[-1 - row[3] % len(sources)]
        slot = "k" if row[2] % 8 == 0 and items is None else "x"
        reads = upstream in UPSTREAMS and TOOLS[tool].kind == "read"
        guesses = guessing and reads and items is None and row[4] >= 160
        reference: dict[str, Any] = {"$from": source, "path": _PATHS[row[4] % len(_PATHS)]}
        if row[4] >= 128:
            reference["default"] = "k1" if row[4] % 3 else None
        if guesses:
            reference["speculate"] = True
        (guessed if guesses else soft if row[4] >= 128 else hard).append(source)
        arguments[slot] = {"$format": "<{x}>", "x": reference} if row[2] % 8 == 3 else reference
    fate = "ok" if row[6] < 216 else ("refused", "applied", "lost")[row[6] % 3]
    hard = list(dict.fromkeys(hard))
    return Asked(
        identity,
        upstream,
        tool,
        arguments,
        tuple(hard),
        tuple(source for source in soft if source not in hard),
        tuple(source for source in guessed if source not in hard),
        items,
        depends_on,
        fate,
        row[7] % 4,
        row[7] // 4 % 4,
    )
