"""Schemas that mean harm."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]


def doubling(depth: int, key: str = "allOf") -> Schema:
    """A schema in which each definition refers to the next one twice."""
    definitions: Schema = {
        f"d{level}": {key: [{"$ref": f"#/$defs/d{level + 1}"}, {"$ref": f"#/$defs/d{level + 1}"}]}
        for level in range(depth)
    }
    return {"$defs": {**definitions, f"d{depth}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def nested(depth: int, key: str = "not") -> Schema:
    schema: Schema = {"type": "string"}
    for _ in range(depth):
        schema = {key: [schema] if key.endswith("Of") else schema}
    return schema


def chained(length: int) -> Schema:
    """A schema in which each definition is the next one."""
    definitions: Schema = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(length)}
    return {"$defs": {**definitions, f"d{length}": {}}, "$ref": "#/$defs/d0"}


HOSTILE: dict[str, tuple[Schema, str]] = {
    "points to the web": ({"properties": {"x": {"$ref": "http://127.0.0.1:9/schema.json"}}}, "http://127.0.0.1:9"),
    "points to a file": ({"properties": {"x": {"$ref": "file:///etc/passwd"}}}, "file:///etc/passwd"),
    "points to a path": ({"properties": {"x": {"$ref": "../schema.json#/a"}}}, "../schema.json"),
    "points away dynamically": ({"$dynamicRef": "https://a.example/#x"}, "https://a.example/"),
    "points away by its base": ({"$id": "http://127.0.0.1:9/a.json", "$ref": "b.json"}, "b.json"),
    "points away below allOf": ({"allOf": [{"anyOf": [{"$ref": "//a.example/b"}]}]}, "//a.example/b"),
    "doubles sixty times": (doubling(60), "so often"),
    "doubles sixty times by anyOf": (doubling(60, "anyOf"), "so often"),
    "is nested too deeply": (nested(5_000), "nested"),
    "is nested nine thousand deep by allOf": (nested(9_000, "allOf"), "nested"),
    "has a hundred thousand values": ({"enum": list(range(100_000))}, "parts"),
    "has a hundred thousand branches": ({"allOf": [{"type": "object"}] * 100_000}, "parts"),
    "is a chain without end": (chained(5_000), "chain"),
}
"""What it does, the schema, and what is told of it."""

_KEYWORDS = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "items", "contains", "additionalProperties")
_MAPS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_REFERENCES = ("#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#/allOf/0", "#a", "a.json", "http://127.0.0.1:9/s")
_PATTERNS = ("^(a+)+$", "(a{30}){30}", "(a|aa|aaa){45}{45}$", "^(?=a)b", "(a)\\1", "[", "a", "(x+x+)+y", "\\p{L}{50}")
_FORMATS = ("date-time", "email", "uri", "regex", "idn-hostname", "json-pointer", "duration", "no-such")


def _one(key: str, values: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from([{key: value} for value in values])


_references = _one("$ref", _REFERENCES)
_leaves = st.one_of(
    st.booleans(),
    _references,
    _one("pattern", _PATTERNS),
    _one("format", _FORMATS),
    _one("type", ("object", "string", "array", "null", "objekt")),
    _one("enum", ([], [1, "a"], [{"a": number} for number in range(3_000)])),
    _one("uniqueItems", (True,)),
    _one("unevaluatedProperties", (False,)),
    _one("$dynamicRef", ("#a",)),
)


def _times(drawn: tuple[Any, int]) -> list[Any]:
    part, times = drawn
    return [part] * times


def _referring(drawn: tuple[Any, Schema]) -> Schema:
    part, reference = drawn
    return {**part, **reference} if isinstance(part, dict) else reference


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, min_size=1, max_size=4)
    many = st.tuples(inner, st.sampled_from((2, 300))).map(_times)
    named = st.dictionaries(st.sampled_from(("a", "b", "c", "^a", "default")), inner, max_size=3)
    return st.one_of(
        st.dictionaries(st.sampled_from(_KEYWORDS), st.one_of(inner, lists, many), min_size=1, max_size=3),
        st.dictionaries(st.sampled_from(_MAPS), named, min_size=1, max_size=3),
        st.tuples(inner, _references).map(_referring),
    )


def _is_object(schema: object) -> bool:
    return isinstance(schema, dict)


def _joined(drawn: tuple[Schema, Schema]) -> Schema:
    schema, extras = drawn
    return {**schema, **extras}


def hostile_schemas() -> st.SearchStrategy[Schema]:
    """Schemas put together from what is known to be hard."""
    schemas: st.SearchStrategy[Any] = st.recursive(_leaves, _around, max_leaves=15).filter(_is_object)
    dialects = ("http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-04/schema#", "http://x/y", "#")
    extras: st.SearchStrategy[Schema] = st.fixed_dictionaries(
        {},
        optional={
            "$id": st.sampled_from(("http://127.0.0.1:9/root.json", "a.json", "")),
            "$schema": st.sampled_from(dialects),
            "$anchor": st.just("a"),
            "$dynamicAnchor": st.just("a"),
        },
    )
    return st.tuples(schemas, extras).map(_joined)


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


_VALUES: tuple[Any, ...] = (
    *(None, 1, 1.5, 10**400, "a", "\ud800"),
    *("a" * times for times in (100, 20_000, 1_000_000)),
    *(_deep(levels) for levels in (3, 8, 20, 60)),
    *([{"a": 1}] * times for times in (3, 300, 5_000)),
    *(["aaa"] * times for times in (3, 5_000)),
)


def hostile_arguments() -> st.SearchStrategy[Schema]:
    """Arguments that are large, deep, long, or what nobody could send."""
    places = st.integers(0, len(_VALUES) - 1)
    return st.dictionaries(st.sampled_from(["a", "b", "c", "x"]), places, max_size=3).map(_valued)


def _valued(places: Mapping[str, int]) -> Schema:
    return {key: _VALUES[place] for key, place in places.items()}
