"""The request: its shape, its ids, and everything wrong with it at once."""

from typing import Any

import pytest
from tests.tools.building import batch_of, problems_with

from headgate.tools.batch import Batch, parse_batch

T: dict[str, Any] = {"tool": "a.get", "arguments": {}}


def test_calls_without_an_id_are_named_by_their_position() -> None:
    assert [call.id for call in batch_of(T, {**T, "id": "x"}, T).calls] == ["c1", "x", "c3"]


@pytest.mark.parametrize("identity", ["call_Ab12", "toolu_01AB-cd", "x", "0", "_", "__proto__", "a" * 64])
def test_ids_of_providers_fit(identity: str) -> None:
    assert batch_of({**T, "id": identity}).calls[0].id == identity


@pytest.mark.parametrize("identity", ["", " ", "a b", "é", "a" * 65, "x" * 10_000, "a.b", "a\n", 1, [], {}])
def test_an_id_that_is_none_is_refused_and_not_repeated(identity: object) -> None:
    refusal = parse_batch([{**T, "id": identity}], max_calls=5)

    assert problems_with([{**T, "id": identity}]) == [("INVALID_REQUEST", "calls[0].id")]
    assert len(repr(refusal)) < 500


def test_a_whole_batch_carries_its_options() -> None:
    batch = batch_of(T, on_error="stop", timeout_s=3, dry_run=True)

    assert (batch.on_error, batch.timeout_s, batch.dry_run) == ("stop", 3.0, True)
    assert (batch_of(T).on_error, batch_of(T).timeout_s, batch_of(T).dry_run) == ("continue", None, False)


def test_a_call_carries_its_options() -> None:
    (call,) = batch_of({**T, "depends_on": [], "select": ["$.a"], "timeout_s": 2.5}).calls

    assert (call.depends_on, call.select, call.timeout_s) == ((), ("$.a",), 2.5)
    assert batch_of({**T, "select": "$.a"}).calls[0].select == "$.a"
    assert batch_of({**T, "select": []}).calls[0].select == ()
    assert batch_of(T).calls[0].select is None


@pytest.mark.parametrize("seconds", [0, -1, "soon", float("nan"), float("inf"), 10**9, [], 1e400])
def test_a_timeout_that_is_none_is_refused(seconds: object) -> None:
    assert problems_with({"calls": [{**T, "timeout_s": seconds}], "timeout_s": seconds}) == [
        ("INVALID_REQUEST", "calls[0].timeout_s"),
        ("INVALID_REQUEST", "timeout_s"),
    ]


def test_a_timeout_is_a_day_at_most() -> None:
    assert batch_of(T, timeout_s=86_400).timeout_s == 86_400
    assert problems_with({"calls": [T], "timeout_s": 86_401}) == [("INVALID_REQUEST", "timeout_s")]


def test_every_fault_of_the_shape_is_named_at_once() -> None:
    request: dict[str, Any] = {
        "calls": [
            T,
            {"arguments": {}},
            5,
            {**T, "id": "a b"},
            {**T, "depends_on": [7]},
            {**T, "wait": 1},
            {**T, "arguments": "none"},
            {**T, "idempotency_key": "no key"},
            {**T, "tool": ""},
        ],
        "on_error": "explode",
        "dry_run": "yes",
        "mode": "fast",
    }

    assert sorted(problems_with(request)) == [
        ("INVALID_REQUEST", "calls[1].tool"),
        ("INVALID_REQUEST", "calls[2]"),
        ("INVALID_REQUEST", "calls[3].id"),
        ("INVALID_REQUEST", "calls[4].depends_on[0]"),
        ("INVALID_REQUEST", "calls[5].wait"),
        ("INVALID_REQUEST", "calls[6].arguments"),
        ("INVALID_REQUEST", "calls[7].idempotency_key"),
        ("INVALID_REQUEST", "calls[8].tool"),
        ("INVALID_REQUEST", "dry_run"),
        ("INVALID_REQUEST", "mode"),
        ("INVALID_REQUEST", "on_error"),
    ]


@pytest.mark.parametrize("raw", [None, 5, "", "hello", "{", True, 1.5])
def test_what_is_no_request_at_all_is_refused(raw: object) -> None:
    assert problems_with(raw) == [("INVALID_REQUEST", "")]


@pytest.mark.parametrize(
    ("raw", "where"),
    [({}, "calls"), ({"calls": None}, "calls"), ({"calls": 5}, "calls"), ({"calls": {}}, "calls"), ([], "calls")],
)
def test_a_batch_without_calls_is_refused(raw: object, where: str) -> None:
    assert problems_with(raw) == [("INVALID_REQUEST", where)]


def test_too_many_calls_are_refused_with_the_limit() -> None:
    refusal = parse_batch([T] * 10_000, max_calls=256)

    assert not isinstance(refusal, Batch)
    assert [(it.code, it.where) for it in refusal.problems] == [("TOO_MANY_CALLS", "calls")]
    assert "10000 calls, and at most 256" in refusal.problems[0].message
    assert isinstance(parse_batch([T] * 256, max_calls=256), Batch)


def test_an_unknown_field_is_refused_with_the_known_ones() -> None:
    refusal = parse_batch({"calls": [{**T, "wait": 1}], "mode": 1}, max_calls=9)

    assert not isinstance(refusal, Batch)
    known = "tool, arguments, id, depends_on, for_each, parallel_group, timeout_s, select, idempotency_key"
    assert [problem.message for problem in refusal.problems] == [
        f'unknown field "wait"; known are {known}',
        'unknown field "mode"; known are calls, groups, on_error, timeout_s, dry_run',
    ]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (list[Any](), "a batch needs at least one call"),
        ([dict[str, Any](arguments={})], '"tool" is missing'),
        ([5], 'a call is an object with a "tool" and its "arguments"'),
        ([{**T, "id": "a b"}], "an id is 1 to 64 characters of A-Z a-z 0-9 _ -"),
        ([{**T, "arguments": 5}], "input should be an object"),
        ({"calls": 3}, "input should be a list"),
        ([{**T, "for_each": "abc"}], "for_each takes a list, or a reference to one"),
        ([{**T, "select": 5}], "select takes a path, or a list of paths"),
        ([{**T, "select": ["$", 5, 6]}], "select takes a path, or a list of paths"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_a_request(raw: object, message: str) -> None:
    refusal = parse_batch(raw, max_calls=9)

    assert not isinstance(refusal, Batch)
    assert [problem.message for problem in refusal.problems] == [message]


def test_one_plain_call_is_the_batch_that_it_is_with_everything_written_out() -> None:
    plain = {"tool": "a.get", "arguments": {"x": 1}}
    whole = {"calls": [{**plain, "id": "c1"}], "on_error": "continue"}

    assert parse_batch({"calls": [plain]}, max_calls=9) == parse_batch(whole, max_calls=9)
    assert problems_with({"calls": [{**plain, "tool": ""}]}) == [("INVALID_REQUEST", "calls[0].tool")]
    assert problems_with({"calls": [{**plain, "tool": "x" * 257}]}) == [("INVALID_REQUEST", "calls[0].tool")]
