"""Whether a tool is a read or a write, and why: operator's class > trusted annotation > write."""

import re
from collections.abc import Mapping
from typing import Any, cast

from headgate.tools.rules import ToolClass, ToolRules
from headgate.tools.trust import Concern

_FIRST_WORD = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
_CHANGES = frozenset(
    (
        *(
            "add",
            "cancel",
            "create",
            "delete",
            "deploy",
            "destroy",
            "drop",
            "edit",
            "exec",
            "execute",
            "insert",
            "install",
        ),
        *(
            "kill",
            "modify",
            "move",
            "pay",
            "publish",
            "purge",
            "refund",
            "remove",
            "rename",
            "revoke",
            "send",
            "transfer",
        ),
        *("truncate", "uninstall", "update", "upload", "write"),
    )
)
"""First words of names, none of which also begins the name of a read. No word makes a read of a tool."""


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
    name = definition.get("name")
    if isinstance(name, str) and _FIRST_WORD.split(name.strip("_-. "), maxsplit=1)[0].lower() in _CHANGES:
        return "write", "annotated as read-only, but its name says that it changes something, so taken for a write"
    return "read", "annotated as read-only"


def _annotations(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    found = definition.get("annotations")
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
