"""What an upstream's answer says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.tools.outcome import Answer, Failure
from headgate.tools.result import MAX_ERROR_TEXT, presentable, read_result


def texts(*said: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text} for text in said]}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("result", "data"),
    [
        ({"structuredContent": {"a": 1}, **texts('{"b": 2}')}, {"a": 1}),
        ({"structuredContent": {}, "content": []}, {}),
        (texts('{"b": 2}'), {"b": 2}),
        (texts(" [1, 2]\n"), [1, 2]),
        (texts("[WARN] not json"), "[WARN] not json"),
        (texts("{} {}"), "{} {}"),
        (texts("17"), "17"),
        (texts('"quoted"'), '"quoted"'),
        (texts("null"), "null"),
        (texts("one", "two"), "one\ntwo"),
        (texts("[1,", "2]"), [1, 2]),
        (texts(""), ""),
        (texts('{"x": NaN}'), '{"x": NaN}'),
        (texts('{"x": 1e400}'), '{"x": 1e400}'),
        (texts(f'{{"x": {2**70 + 1}}}'), {"x": 2**70 + 1}),
        (texts("[" * 100_000), "[" * 100_000),
        ({"content": []}, None),
        ({}, None),
        ({"content": "nonsense"}, None),
        ({"content": [5, None, {"type": "text"}]}, ""),
    ],
)
def test_data_is_the_structured_content_else_the_json_that_the_text_is_else_the_text(
    result: dict[str, Any], data: Any
) -> None:
    assert read_result(result) == Answer(data)


def test_what_is_no_text_goes_along_as_blocks() -> None:
    image = {"type": "image", "data": "aGk=", "mimeType": "image/png"}

    assert read_result({"content": [image, *texts("hi")["content"], image]}) == Answer("hi", (image, image))


def test_data_that_nothing_could_carry_on_is_answered_with_a_sentence() -> None:
    assert read_result({"structuredContent": nested(128)}) == Answer(nested(128))
    answer = read_result({"structuredContent": nested(1000)})

    assert isinstance(answer, Answer)
    assert "nested deeper than 128 levels" in answer.data
    assert read_result(texts("[" * 150 + "]" * 150)) == Answer("[" * 150 + "]" * 150)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (texts("no such order"), "no such order"),
        (texts(" a ", "b"), "a \nb"),
        ({"structuredContent": {"message": "boom"}}, "boom"),
        ({"structuredContent": {"other": "boom"}}, "the tool reported an error without a text"),
        ({"content": [{"type": "image"}]}, "the tool reported an error without a text"),
        ({}, "the tool reported an error without a text"),
    ],
)
def test_an_error_of_the_tool_carries_its_text(result: dict[str, Any], message: str) -> None:
    assert read_result({**result, "isError": True}) == Failure("error", "TOOL_ERROR", message)


def test_a_tool_that_asks_for_input_has_not_answered() -> None:
    failure = read_result({"resultType": "input_required", **texts("your name?")})

    assert isinstance(failure, Failure)
    assert failure.code == "UPSTREAM_ERROR"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("  padded \n", "padded"),
        ("<!DOCTYPE html><html><body>502</body></html>", "the upstream answered with an HTML page"),
        ("\n<HTML><head>", "the upstream answered with an HTML page"),
        ('Error: Traceback (most recent call last):\n  File "x.py", line 1\nValueError: no', "Error: ValueError: no"),
        ("Traceback (most recent call last):\n  File \"/srv/x.py\", line 1\nKeyError: 'id'", "KeyError: 'id'"),
    ],
)
def test_an_error_text_is_made_presentable(text: str, shown: str) -> None:
    assert presentable(text) == shown


@given(st.text())
def test_an_error_text_has_an_end_and_no_traceback(text: str) -> None:
    long = presentable(text + "x" * (MAX_ERROR_TEXT + 1))
    assert len(long) <= MAX_ERROR_TEXT + 1

    assert "Traceback (most" not in presentable(f"{text}Traceback (most recent call last):\n{text}\nError: no")
