"""References: what they find, what they fill in, and how much of it."""

from typing import Any

import pytest
from tests.tools.building import ref

from headgate.tools.fill import MAX_FILLED_BYTES, Filling, Unresolved, fill
from headgate.tools.reference import MAX_DEPTH, MAX_NODES, MAX_REFERENCES, Template, scan

DATA: dict[str, Any] = {
    "o": {"id": "A-17", "n": 5, "none": None, "items": [{"sku": "x"}, {"sku": "y"}], "empty": []},
    "text": "[not json",
    "five": 5,
}


def filled(value: Any, data: dict[str, Any] | None = None) -> Any:
    """`value` as an argument, filled in from DATA."""
    template, problems = scan({"x": value}, "arguments")
    assert problems == ()
    assert template is not None
    answer = fill(template, Filling(DATA if data is None else data))
    assert not isinstance(answer, Unresolved), answer
    return answer["x"]


def unresolved(value: Any, data: dict[str, Any] | None = None) -> str:
    template, problems = scan({"x": value}, "arguments")
    assert (problems, isinstance(template, Template)) == ((), True)
    assert template is not None
    answer = fill(template, Filling(DATA if data is None else data))
    assert isinstance(answer, Unresolved), answer
    return answer.message


def problems_in(value: Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.where) for problem in scan({"x": value}, "a")[1]]


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        (ref("o", "$.id"), "A-17"),
        (ref("o", "id"), "A-17"),
        (ref("o", ".id"), "A-17"),
        (ref("o", "['id']"), "A-17"),
        (ref("o", "$.items[0].sku"), "x"),
        (ref("o", "$.items[-1].sku"), "y"),
        (ref("o", "$.items[*].sku"), ["x", "y"]),
        (ref("o", "$..sku"), ["x", "y"]),
        (ref("o", "$.items[?@.sku == 'y'].sku"), ["y"]),
        (ref("o", "$.items[?@.sku == 'z'].sku"), []),
        (ref("o", "$.empty[*]"), []),
        (ref("o", "$.none"), None),
        ({"$from": "o"}, DATA["o"]),
        (ref("o", "$"), DATA["o"]),
        (ref("text"), "[not json"),
        (ref("five"), 5),
        (ref("o", "$.nope", default=7), 7),
        (ref("o", "$.none", default=7), None),
        (ref("o", "$.items[?@.sku == 'z']", default=7), 7),
        (ref("o", "$.items[*].sku", default=7), ["x", "y"]),
        (ref("gone", "$.id", default=None), None),
        (ref("gone", "$.id", default={"$from": "o"}), {"$from": "o"}),
        (ref("text", "$.id", default="d"), "d"),
        (ref("five", "$..x", default="d"), "d"),
    ],
)
def test_a_reference_gives_a_value_a_list_or_its_default(reference: dict[str, Any], value: Any) -> None:
    assert filled(reference) == value
    assert filled([{"deep": [reference]}]) == [{"deep": [value]}]


@pytest.mark.parametrize("path", ["$.nope", "$.items[5]", "$.id.x"])
def test_a_path_that_finds_nothing_says_so_and_no_null_goes_in(path: str) -> None:
    assert unresolved(ref("o", path)) == f'"{path}" finds nothing in the data of "o"'


@pytest.mark.parametrize("text", ["[1, 2", "{", '{"id": 1}', "[WARN] all is well", "hello", ""])
def test_a_text_is_a_text_whatever_it_says(text: str) -> None:
    assert unresolved(ref("t", "$.id"), {"t": text}) == '"$.id" finds nothing in the data of "t"'
    assert filled(ref("t", "$..id"), {"t": text}) == []
    assert filled(ref("t"), {"t": text}) == text


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"$format": "order {id}", "id": ref("o", "$.id")}, "order A-17"),
        ({"$format": "{a}{b}{a}", "a": ref("o", "$.n"), "b": "-"}, "5-5"),
        ({"$format": "{{id}} {id}", "id": ref("o", "$.id")}, "{id} A-17"),
        ({"$format": "{x}", "x": ref("o", "$.items")}, '[{"sku":"x"},{"sku":"y"}]'),
        ({"$format": "{x}", "x": ref("o", "$.none")}, "null"),
        ({"$format": "{x}", "x": {"$format": "<{y}>", "y": ref("five")}}, "<5>"),
        ({"$format": "{x}", "x": ref("gone", default="{y}")}, "{y}"),
        ({"$format": "{ {x} }", "x": ref("five")}, "{ 5 }"),
    ],
)
def test_a_text_is_filled_in(form: dict[str, Any], text: str) -> None:
    assert filled(form) == text


@pytest.mark.parametrize(
    ("value", "code", "where"),
    [
        ({"$from": 5}, "BAD_REFERENCE", "a.x"),
        ({"$from": "o", "path": 5}, "BAD_REFERENCE", "a.x"),
        ({"$from": "o", "paht": "$"}, "BAD_REFERENCE", "a.x"),
        ({"$from": "o", "path": "$["}, "BAD_REFERENCE", "a.x.path"),
        ({"$from": "o", "path": "$[?match(@, 'a.*')]"}, "BAD_REFERENCE", "a.x.path"),
        ({"$from": "o", "path": "$[?search(@, 'a.*')]"}, "BAD_REFERENCE", "a.x.path"),
        ({"$from": "o", "path": "$." + "a" * 600}, "BAD_REFERENCE", "a.x.path"),
        ([1, {"$from": "o", "path": "$ "}], "BAD_REFERENCE", "a.x[1].path"),
        ({"$format": 5}, "BAD_REFERENCE", "a.x.$format"),
        ({"$format": "{x}"}, "BAD_REFERENCE", "a.x"),
        ({"$format": "x", "y": 1}, "BAD_REFERENCE", "a.x.y"),
    ],
)
def test_a_reference_that_is_none_is_refused_at_its_place(value: Any, code: str, where: str) -> None:
    assert problems_in(value) == [(code, where)]


def test_every_bad_reference_of_a_call_is_named() -> None:
    bad = {"$from": 5}

    assert sorted(problems_in([bad, {"y": bad}, {"$format": "{z}{w}"}])) == [
        ("BAD_REFERENCE", "a.x[0]"),
        ("BAD_REFERENCE", "a.x[1].y"),
        ("BAD_REFERENCE", "a.x[2]"),
        ("BAD_REFERENCE", "a.x[2]"),
    ]


def test_arguments_without_references_are_no_template() -> None:
    assert scan({"x": 1, "y": [{"from": "o"}], "z": {"format": "{}"}}, "a") == (None, ())


def test_one_call_takes_so_many_references_and_no_more() -> None:
    assert problems_in([ref("o")] * MAX_REFERENCES) == []
    assert problems_in([ref("o")] * (MAX_REFERENCES + 1)) == [("TOO_LARGE", "a")]


def test_one_call_takes_so_many_values_and_no_more() -> None:
    most = MAX_NODES - 3  # the arguments, the list, and the place of the list in them

    assert problems_in([1] * most) == []
    assert problems_in([1] * (most + 1)) == [("TOO_LARGE", "a")]


def test_what_is_filled_into_one_call_is_bounded_as_a_whole() -> None:
    half = {"o": "x" * (MAX_FILLED_BYTES // 2 - 2)}

    assert len(filled([ref("o")] * 2, half)) == 2
    assert "name a smaller part of it" in unresolved([ref("o")] * 3, half)
    assert "name a smaller part of it" in unresolved({"$format": "{x}{x}{x}", "x": ref("o")}, half)


def test_what_was_asked_for_and_what_was_answered_stay_as_they_are() -> None:
    arguments = {"x": [ref("o", "$.items"), {"$format": "{y}", "y": ref("o", "$.id")}]}
    before = repr((arguments, DATA))
    template, _ = scan(arguments, "a")
    assert template is not None
    fill(template, Filling(DATA))

    assert repr((arguments, DATA)) == before


@pytest.mark.parametrize(("levels", "codes"), [(MAX_DEPTH, []), (MAX_DEPTH + 1, ["TOO_DEEP"])])
def test_arguments_are_so_deep_and_no_deeper_defaults_with_them(levels: int, codes: list[str]) -> None:
    def deep(inner: Any, count: int) -> Any:
        return inner if count == 0 else deep([inner], count - 1)

    assert [problem.code for problem in scan({"x": deep(1, levels - 1)}, "a")[1]] == codes
    assert [problem.code for problem in scan({"x": ref("o", default=deep(1, levels - 2))}, "a")[1]] == codes
    assert [problem.code for problem in scan({"x": deep(ref("o"), levels - 2)}, "a")[1]] == codes
