"""Whether a tool is a read or a write, and why: operator's class > trusted annotation > write."""

from collections.abc import Mapping
from typing import Any, cast

from headgate.tools.rules import ToolClass, ToolRules
from headgate.tools.trust import Concern


def classify(
    definition: Mapping[str, Any], rules: ToolRules, concern: Concern | None = None, *, trusted: bool
) -> tuple[ToolClass, str]:
    """The class of the tool that an upstream declared as `definition`, and the reason for it.

    A `concern` about the definition is told with the reason, whatever the class.

    Only the caller of a tool pays for a wrong "write" (it waits); everybody pays for a wrong "read" (it may
    run twice, or out of order). So whatever is not known to be a read is a write.
    """
    if rules.kind is not None:
        kind, reason = rules.kind, "set in headgate.toml"
    else:
        kind, reason = _declared(definition, trusted=trusted)
        if kind == "read" and concern is not None and concern.doubts:
            return "write", f"{concern.reason}, so taken for a write"
    return kind, reason if concern is None else f"{reason}; {concern.reason}"


def _declared(definition: Mapping[str, Any], *, trusted: bool) -> tuple[ToolClass, str]:
    annotations = _annotations(definition)
    if "readOnlyHint" not in annotations:
        return "write", "not annotated, so taken for a write"
    if annotations["readOnlyHint"] is not True:
        return "write", "annotated as not read-only"
    if not trusted:
        return "write", "annotated as read-only, but the upstream's annotations are not trusted"
    if annotations.get("destructiveHint") is True:
        return "write", "annotated as read-only and as destructive, so taken for a write"
    return "read", "annotated as read-only"


def _annotations(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    found = definition.get("annotations")
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
