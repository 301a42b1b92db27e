"""Operator's class > trusted annotation > write."""

from typing import Any

import pytest

from headgate.tools.classify import classify
from headgate.tools.rules import ToolClass, ToolRules
from headgate.tools.trust import Concern

READ_ONLY = {"readOnlyHint": True}


@pytest.mark.parametrize(
    ("annotations", "trusted", "kind", "why"),
    [
        (READ_ONLY, True, "read", "annotated as read-only"),
        ({**READ_ONLY, "destructiveHint": False}, True, "read", "annotated as read-only"),
        ({**READ_ONLY, "destructiveHint": True}, True, "write", "and as destructive"),
        (READ_ONLY, False, "write", "not trusted"),
        ({"readOnlyHint": False}, True, "write", "not read-only"),
        ({"readOnlyHint": "true"}, True, "write", "not read-only"),
        ({"readOnlyHint": 1}, True, "write", "not read-only"),
        ({"readOnlyHint": None}, True, "write", "not read-only"),
        ({"idempotentHint": True, "destructiveHint": False}, True, "write", "not annotated"),
        ({"read_only_hint": True}, True, "write", "not annotated"),
        ({}, True, "write", "not annotated"),
        (None, True, "write", "not annotated"),
        ("readOnlyHint", True, "write", "not annotated"),
        ([READ_ONLY], True, "write", "not annotated"),
    ],
)
def test_what_is_not_known_to_be_a_read_is_a_write(
    annotations: Any,
    trusted: bool,  # noqa: FBT001
    kind: ToolClass,
    why: str,
) -> None:
    found, reason = classify({"name": "x", "annotations": annotations}, ToolRules(), trusted=trusted)

    assert found == kind
    assert why in reason


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize("annotations", [READ_ONLY, {"readOnlyHint": False}, {}])
@pytest.mark.parametrize("trusted", [True, False])
def test_the_operator_has_the_last_word(kind: ToolClass, annotations: dict[str, bool], trusted: bool) -> None:  # noqa: FBT001
    definition = {"name": "x", "annotations": annotations}

    assert classify(definition, ToolRules(kind=kind), trusted=trusted) == (kind, "set in headgate.toml")


def test_what_speaks_against_a_definition_is_told_and_makes_a_write_of_it_where_it_says_so() -> None:
    definition = {"name": "x", "annotations": READ_ONLY}
    flaw, doubt = Concern("it is odd", ""), Concern("it is new", "", doubts=True)

    assert classify(definition, ToolRules(), flaw, trusted=True) == ("read", "annotated as read-only; it is odd")
    assert classify(definition, ToolRules(), doubt, trusted=True) == ("write", "it is new, so taken for a write")
    assert (
        classify({"name": "x"}, ToolRules(), doubt, trusted=True)[1] == "not annotated, so taken for a write; it is new"
    )
    assert classify(definition, ToolRules("read"), doubt, trusted=True) == ("read", "set in headgate.toml; it is new")


def test_no_name_makes_a_read() -> None:
    assert classify({"name": "get_order"}, ToolRules(), trusted=True)[0] == "write"


@pytest.mark.parametrize("name", ["delete_all", "exec", "sendMail", "write-file", "Update", "_remove_", "execute_sql"])
def test_a_name_that_says_that_something_changes_makes_a_write(name: str) -> None:
    definition = {"name": name, "annotations": READ_ONLY}

    kind, reason = classify(definition, ToolRules(), trusted=True)
    assert kind == "write"
    assert "its name says" in reason
    assert classify(definition, ToolRules(kind="read"), trusted=True)[0] == "read"


@pytest.mark.parametrize(
    "name", ["get_update", "list_deleted", "updates", "git_diff", "executions", "sender", "", "_", "读"]
)
def test_other_names_say_nothing(name: str) -> None:
    assert classify({"name": name, "annotations": READ_ONLY}, ToolRules(), trusted=True)[0] == "read"
