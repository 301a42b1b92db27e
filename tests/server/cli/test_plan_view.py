"""A plan drawn for a person."""

from headgate.server.cli.plan_view import MAX_DRAWN, node, planned_rows


def test_each_call_stands_at_its_stage_joined_to_the_stage_before() -> None:
    assert [node(1), node(2), node(3)] == ["●", "╰─●", "  ╰─●"]


def test_what_is_too_far_to_the_right_stands_at_the_edge_with_its_number() -> None:
    assert len(node(MAX_DRAWN)) == 2 * MAX_DRAWN - 1
    assert node(500) == f"{node(MAX_DRAWN)} 500"


def test_rows_come_stage_by_stage_with_what_each_waits_for_named_once() -> None:
    later = {"id": "b", "tool": "t", "class": "write", "why": "w", "stage": 2, "needs": ["a"], "after": ["a", "c"]}
    first = {"id": "a", "tool": "t", "class": "read", "why": "w", "stage": 1, "error_code": "X", "error": "no"}

    assert planned_rows([later, first]) == [
        ("●", "a", "t", "read", "w", "", "X: no"),
        ("╰─●", "b", "t", "write", "w", "a, c", ""),
    ]
