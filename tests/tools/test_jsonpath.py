"""Paths: RFC 9535 without regular expressions, and bounded in their work."""

from contextlib import suppress
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.tools.jsonpath import MAX_PATH, MAX_VISITED, BadPathError, Work, compile_path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=15,
)
CHILDREN = (".a", ".b", "['c']", "[0]", "[-1]", "[1:]", "[::-1]", "[*]", ".*", "..a", "..*", "[0,1]")
FILTERS = ("?@.a", "?@==1", "?@.a==$.b", "?count(@.*)>1", "?length(@.a)==1", "?value(@..b)=='x'", "?!@.a||@.b<2")
STEPS = st.sampled_from((*CHILDREN, *(f"[{one}]" for one in FILTERS)))


@pytest.mark.parametrize(
    ("path", "singular"),
    [("$", True), ("", True), ("$.a", True), ("a.b", True), ("$['a'][0]", True), ("$[*]", False), ("$..a", False),
     ("$[0,1]", False), ("$[1:2]", False), ("$[?@.a]", False)],
)  # fmt: skip
def test_a_path_knows_whether_it_can_match_more_than_one(path: str, singular: bool) -> None:  # noqa: FBT001
    assert compile_path(path).singular is singular


NO_PATHS = ["$[", "$.", "$..", "a b", "$.a | $.b", "$.a & $.b", "^.a", "$[?@.a =~ /x/]", "$[?match(@.a, 'x')]"]
NO_NUMBERS = ["$[?@ == 1e400]", f"$[?@ == {10**400}]", "$[?@ == 1.]", "$[1e2]", "$[1e2:]"]
NO_PATHS_EITHER = ["$[?search(@.a, 'x')]", "$[?@" * 100, "$." + "a" * MAX_PATH, "#", "$[?nope(@)]", "$.a~"]


@pytest.mark.parametrize("path", NO_PATHS + NO_NUMBERS + NO_PATHS_EITHER)
def test_what_is_no_rfc_9535_path_is_refused_with_a_reason(path: str) -> None:
    with pytest.raises(BadPathError) as refused:
        compile_path(path)

    assert len(str(refused.value)) < MAX_PATH + 200
    assert "\n" not in str(refused.value)


@given(JSON, st.lists(STEPS, min_size=1, max_size=4))
def test_any_path_over_any_data_finds_values_and_never_raises(data: Any, steps: list[str]) -> None:
    path = compile_path("$" + "".join(steps))
    found = path.of(data)

    assert isinstance(found, list)
    assert len(found) <= 1 or not path.singular


def test_a_path_has_512_characters_at_most() -> None:
    assert compile_path("$." + "a" * 510).singular
    with pytest.raises(BadPathError, match="at most 512 characters"):
        compile_path("$." + "a" * 511)


@given(JSON)
def test_the_root_is_the_data_itself(data: Any) -> None:
    assert compile_path("$").of(data) == [data]
    assert data in compile_path("$[0]").of([data])


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**65 + 1, 10**300 + 1, 0, 7])
def test_a_filter_tells_integers_apart_to_the_last_digit(number: int) -> None:
    data = [{"id": it} for it in (number - 1, number, number + 1)]

    assert compile_path(f"$[?@.id == {number}].id").of(data) == [number]
    assert compile_path(f"$[?@.id < {number}].id").of(data) == [number - 1]
    assert compile_path("$[?@ == 1e2 || @ == 0.5 || @ == 1E+1]").of([100, 0.5, 10, number]) == [100, 0.5, 10]


def test_filters_see_what_they_are_about() -> None:
    data: dict[str, Any] = {
        "want": 2,
        "items": [{"id": 1, "tags": ["x"]}, {"id": 2, "tags": []}, {"id": 3, "tags": ["y", "x"]}],
    }

    assert compile_path("$.items[?@.id == $.want].id").of(data) == [2]
    assert compile_path("$.items[?@.tags[?@ == 'x']].id").of(data) == [1, 3]
    assert compile_path("$.items[?count(@.tags[*]) > 1].id").of(data) == [3]


@pytest.mark.parametrize(
    "path",
    [
        "$[" + ",".join(["*"] * 200) + "][" + ",".join(["*"] * 40) + "]",
        "$" + "..*" * 100,
        "$" + "..[?count(@..*) >= 0]" * 5,
        "$..[?count(@..[?count($..*) >= 0]) >= 0]",
        "$[?@[" + ",".join(["*"] * 120) + "][" + ",".join(["*"] * 100) + "]].x",
    ],
)
def test_a_path_that_would_visit_the_data_over_and_over_ends_soon(path: str) -> None:
    data = [[list(range(30)) for _ in range(30)] for _ in range(10)]
    compiled = compile_path(path)
    started = process_time()

    with suppress(BadPathError):
        compiled.of(data)
    assert process_time() - started < 1


def test_a_path_that_looks_at_too_much_is_told_so() -> None:
    with pytest.raises(BadPathError, match="look at more than"):
        compile_path("$[*,*,*,*]").of(list(range(MAX_VISITED // 3)))


def test_work_is_shared_by_the_paths_of_one_call() -> None:
    work = Work()
    some = list(range(MAX_VISITED - 2))

    assert len(compile_path("$[*]").of(some, work)) == len(some)
    with pytest.raises(BadPathError):
        compile_path("$[*]").of(some, work)


def test_a_descent_ends_where_the_data_is_too_deep_for_it() -> None:
    data: Any = 1
    for _ in range(128):
        data = {"a": data}

    assert compile_path("$" + ".a" * 128).of(data) == [1]
    with pytest.raises(BadPathError, match="deeper"):
        compile_path("$..a").of(data)
