"""Schemas of a document as JSON Schemas that stand by themselves. Pure: no I/O.

OpenAPI 3.1 has JSON Schema, 3.0 a dialect of it. A short schema takes the place of a reference to it; a long one, and
one that refers to itself, goes into `$defs`.
"""

import re
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from headgate.proxy.endpoints.openapi.document import Version
from headgate.proxy.endpoints.openapi.references import BadReferenceError, References

MAX_PARTS = 3_000
"""Parts of the schemas of one operation; what is beyond admits everything."""
MAX_DEPTH = 40
_SHORT = 600
"""Bytes of a schema, without references in it, that takes the place of a reference."""
_DROPPED = frozenset((
    "$schema", "$id", "$anchor", "$dynamicAnchor", "$comment", "xml", "discriminator", "externalDocs", "example",
    "examples", "x-examples", "$vocabulary",
))  # fmt: skip
_ONE = frozenset(("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else",
                  "unevaluatedItems", "unevaluatedProperties", "contentSchema"))  # fmt: skip
_LISTS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_NAMED = frozenset(("properties", "patternProperties", "dependentSchemas", "$defs", "definitions"))
_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_REMARKS = frozenset(("title", "description", "default", "deprecated"))
_NULL = {"type": "null"}


@dataclass(slots=True)
class Schemas:
    """Makes the schemas of one operation, and collects what they refer to in `definitions`."""

    references: References
    version: Version
    definitions: dict[str, Any] = field(default_factory=dict[str, Any])
    _names: dict[str, str] = field(default_factory=dict[str, str])
    _parts: int = 0

    def made(self, schema: Any, depth: int = 0) -> Any:
        """`schema` as JSON Schema; one that admits everything where it is no schema or goes too far."""
        self._parts += 1
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict) or depth > MAX_DEPTH or self._parts > MAX_PARTS:
            return {}
        found = cast("dict[str, Any]", schema)
        reference = found.get("$ref")
        if isinstance(reference, str):
            target = self._referred(reference, depth)
            # What stands beside a reference counts since 3.1 only.
            beside = {} if self.version == "3.0" else self._inner(found, depth)
            return {**target, **beside} if beside.keys() <= _REMARKS else {"allOf": [target], **beside}
        if "$dynamicRef" in found or "$recursiveRef" in found:
            return {}
        made = self._inner(found, depth)
        return _from_3_0(made, found) if self.version == "3.0" else made

    def _referred(self, reference: str, depth: int) -> dict[str, Any]:
        known = self._names.get(reference)
        if known is None:
            try:
                target = self.references.at(reference)
            except BadReferenceError:
                return {}
            if _is_short(target):
                return self.made(target, depth + 1)
            known = self._names[reference] = self._name(reference)
            self.definitions[known] = {}  # its place is taken while it is made: it may refer to itself
            self.definitions[known] = self.made(target, depth + 1)
        return {"$ref": f"#/$defs/{known}"}

    def _name(self, reference: str) -> str:
        name = _NAME.sub("_", reference.rpartition("/")[2]) or "schema"
        number = 2
        chosen = name
        while chosen in self.definitions:
            chosen, number = f"{name}_{number}", number + 1
        return chosen

    def _inner(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in schema.items():
            if key in _DROPPED or key.startswith("x-") or key == "$ref":
                continue
            if key in _ONE and not (key == "items" and isinstance(value, list)):
                made[key] = self.made(value, depth + 1)
            elif key in _LISTS or key == "items":
                if isinstance(value, list):
                    made[key] = [self.made(part, depth + 1) for part in cast("list[Any]", value)]
            elif key in _NAMED:
                if isinstance(value, dict):
                    members = cast("dict[str, Any]", value)
                    made[key] = {name: self.made(part, depth + 1) for name, part in members.items()}
            else:
                made[key] = value
        return self._without_read_only(made, schema)

    def _without_read_only(self, made: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
        """What only answers hold is no argument."""
        properties = schema.get("properties")
        if isinstance(properties, dict) and "properties" in made:
            for name, part in cast("dict[str, Any]", properties).items():
                if isinstance(part, dict) and cast("dict[str, Any]", part).get("readOnly") is True:
                    del made["properties"][name]
        required = made.get("required")
        if isinstance(required, list) and "properties" in made:
            gone = set(cast("dict[str, Any]", properties)) - set(made["properties"])
            names = [name for name in cast("list[Any]", required) if isinstance(name, str)]
            made["required"] = [name for name in names if name not in gone]
        elif required is not None and not isinstance(required, list):
            del made["required"]  # of 3.0's predecessors, where it stood at the property itself
        return made


def _is_short(target: Any) -> bool:
    try:
        text = orjson.dumps(target)
    except (TypeError, orjson.JSONEncodeError):
        return False
    return len(text) <= _SHORT and b'"$ref"' not in text


def _from_3_0(made: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What OpenAPI 3.0 says differently from JSON Schema."""
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(made.get(exclusive), bool) and made.pop(exclusive) and limit in made:
            made[exclusive] = made.pop(limit)
    if made.pop("nullable", None) is not True:
        return made
    if isinstance(schema.get("type"), str):
        made["type"] = [schema["type"], "null"]
        if isinstance(made.get("enum"), list) and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
        return made
    return {"anyOf": [made, _NULL]} if made else made
