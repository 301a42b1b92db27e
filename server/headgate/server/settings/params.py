"""The params of a recipe: whether each is a JSON Schema, and its default one of the values that it admits."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Any, cast

from headgate.server.settings.lines import KeyPath

Fault = tuple[KeyPath, str]
"""A place within what was looked at, and what is wrong there."""

_TYPES = ("string", "number", "integer", "boolean", "array", "object")
_KEYWORDS = (
    "type", "default", "description", "title", "enum", "const", "examples", "format", "pattern", "minLength",
    "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "items", "prefixItems",
    "contains", "minContains", "maxContains", "minItems", "maxItems", "uniqueItems", "properties", "required",
    "additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties", "deprecated",
    "anyOf", "oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "contentEncoding",
    "contentMediaType",
)  # fmt: skip
_LARGEST = 2**63 - 1
_UNUSABLE = "this is not a JSON Schema that can be used: does it refer to something that is not in it?"


def faults_of(name: str, schema: object) -> list[Fault]:
    """Everything that is wrong with the param of that name."""
    if not isinstance(schema, dict):
        return [((), 'a param is a JSON Schema: write a table, such as { type = "string", description = "…" }')]
    keywords = cast("dict[str, Any]", schema)
    faults = [*_misspelt(keywords), *not_json(keywords, ())]
    return faults or list(_unsound(name, keywords))


def not_json(value: object, path: KeyPath) -> Iterator[Fault]:
    """The places in `value` at which stands something that TOML has and JSON does not."""
    if isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, object]", value).items():
            yield from not_json(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(cast("list[object]", value)):
            yield from not_json(inner, (*path, place))
    elif isinstance(value, float) and not isfinite(value):
        yield path, "JSON has no such number"
    elif isinstance(value, int) and abs(value) > _LARGEST:
        yield path, "this number is too large"
    elif not isinstance(value, str | int | float):
        yield path, "JSON has no dates and times of its own: put this in quotes"


def _misspelt(schema: Mapping[str, Any]) -> Iterator[Fault]:
    """JSON Schema takes any keyword for a remark: one that is nearly a known one is no remark."""
    for keyword in schema.keys() - set(_KEYWORDS):
        near = get_close_matches(keyword, _KEYWORDS, n=1, cutoff=0.75)
        if near:
            yield (keyword,), f'unknown keyword of JSON Schema; did you mean "{near[0]}"?'
    if isinstance(schema.get("required"), bool):
        yield ("required",), "take this out: a param is required unless it has a default"


def _unsound(name: str, schema: Mapping[str, Any]) -> Iterator[Fault]:
    # Imported here: most files have no recipe, and need not wait for the library to load.
    import jsonschema_rs  # noqa: PLC0415

    # It stands where it will stand, for references within it begin at the top.
    whole = {"type": "object", "properties": {name: schema}}
    try:
        validator = jsonschema_rs.validator_for(whole, offline=True, pattern_options=jsonschema_rs.RegexOptions())
    except jsonschema_rs.ValidationError as wrong:
        path = tuple(wrong.instance_path)[2:]
        hint = f": write one of {', '.join(_TYPES)}" if path == ("type",) else ""
        yield path, f"this is not valid in a JSON Schema{hint}" if path else _UNUSABLE
    except (jsonschema_rs.ReferencingError, ValueError):
        yield (), _UNUSABLE
    else:
        if "default" in schema and not validator.is_valid({name: schema["default"]}):
            yield ("default",), "the rest of this param's schema does not admit its default"
