"""The tool calls of a model's answer, made as one batch: in order, under their own ids, each answered."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from tests.server.gates import Shop, gate_with, text, tool
from tests.virtual_time import in_virtual_time

from headgate.server.agents.asked import NotAnAnswerError
from headgate.server.gate import Gate
from headgate.tools.rules import ToolRules, UpstreamRules

pytestmark = in_virtual_time

IMAGE = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
SOUND = {"type": "audio", "data": "aGk=", "mimeType": "audio/wav"}
SHAPES = ["chat", "responses", "messages"]


@dataclass(frozen=True)
class LibraryModel:
    """What a provider's library hands out: an object that can say itself as JSON."""

    said: dict[str, Any]

    def model_dump(self, **_options: Any) -> dict[str, Any]:
        return self.said


def use(identity: str, name: str, arguments: object) -> tuple[str, str, object]:
    return identity, name, arguments


async def answers(gate: Gate, shape: str, *uses: tuple[str, str, object], **options: Any) -> list[tuple[str, Any]]:
    """The id and the content of each result, as the provider of `shape` asks and is answered."""
    if shape == "messages":
        blocks = [{"type": "text", "text": "I will look."}]
        blocks += [{"type": "tool_use", "id": i, "name": n, "input": a} for i, n, a in uses]  # pyright: ignore[reportArgumentType]
        results = await gate.answer_anthropic(blocks, **options)
        assert {result["type"] for result in results} <= {"tool_result"}
        return [(result["tool_use_id"], result["content"]) for result in results]
    said = [(i, n, a if isinstance(a, str) else json.dumps(a)) for i, n, a in uses]
    if shape == "chat":
        calls = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in said]
        messages = await gate.answer_openai({"role": "assistant", "content": None, "tool_calls": calls}, **options)
        assert {message["role"] for message in messages} <= {"tool"}
        return [(message["tool_call_id"], message["content"]) for message in messages]
    items: list[dict[str, Any]] = [{"type": "reasoning", "id": "rs_1", "summary": []}]
    items += [{"type": "function_call", "call_id": i, "name": n, "arguments": a} for i, n, a in said]
    outputs = await gate.answer_openai({"output": items}, **options)
    assert {output["type"] for output in outputs} <= {"function_call_output"}
    return [(output["call_id"], output["output"]) for output in outputs]


@pytest.mark.parametrize("shape", SHAPES)
async def test_each_call_gets_its_result_under_its_own_id_in_order(shape: str) -> None:
    async with gate_with(shop=Shop()) as gate:
        results = await answers(
            gate, shape, use("x9", "shop__look", {"tag": "a", "s": 2}), use("x1", "shop__look", {"tag": "b", "s": 1})
        )

    assert results == [("x9", '{"tag":"a"}'), ("x1", '{"tag":"b"}')]


@pytest.mark.parametrize("shape", SHAPES)
async def test_reads_run_at_once_and_writes_in_the_order_of_the_answer(shape: str) -> None:
    shop = Shop()
    async with gate_with(shop=shop) as gate:
        began = asyncio.get_running_loop().time()
        await answers(
            gate,
            shape,
            *(use(f"r{n}", "shop__look", {"tag": f"r{n}", "s": 2}) for n in range(3)),
            use("w1", "shop__pay", {"tag": "w1", "s": 1}),
            use("w2", "shop__pay", {"tag": "w2", "s": 1}),
        )
        took = asyncio.get_running_loop().time() - began

    assert took == pytest.approx(4, abs=0.01)
    assert shop.events[-4:] == ["w1 starts", "w1 ends", "w2 starts", "w2 ends"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("arguments", ["{not json", '{"tag": 1e400}', "[1, 2]", '"text"', "7"])
async def test_malformed_arguments_are_answered_for_that_call_alone(shape: str, arguments: str) -> None:
    if shape == "messages":
        arguments = json.loads(arguments) if arguments[0] != "{" else arguments
    async with gate_with(shop=Shop()) as gate:
        (bad_id, bad), good = await answers(
            gate, shape, use("bad", "shop__look", arguments), use("good", "shop__look", {"tag": "a"})
        )

    assert bad_id == "bad"
    assert json.loads(bad)["error_code"] == "INVALID_ARGUMENTS"
    assert good == ("good", '{"tag":"a"}')


async def test_a_write_with_malformed_arguments_keeps_other_writes_from_starting() -> None:
    shop = Shop()
    async with gate_with(shop=shop) as gate:
        (_, first), (_, second) = await answers(
            gate, "chat", use("1", "shop__pay", {"tag": "a"}), use("2", "shop__pay", "{")
        )

    assert json.loads(first)["error_code"] == "CHAIN_HALTED"
    assert json.loads(second)["error_code"] == "INVALID_ARGUMENTS"
    assert shop.events == []


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("identity", ["", "an id with blanks", "i" * 200])
async def test_ids_need_not_be_unique_or_well_formed(shape: str, identity: str) -> None:
    calls = [use(identity, "shop__look", {"tag": tag}) for tag in "ab"]
    async with gate_with(shop=Shop()) as gate:
        assert await answers(gate, shape, *calls) == [(identity, '{"tag":"a"}'), (identity, '{"tag":"b"}')]


async def test_what_looks_like_a_reference_is_data() -> None:
    echo = {"$from": "c1", "path": "$"}
    async with gate_with(shop=Shop()) as gate:
        ((_, content),) = await answers(gate, "chat", use("1", "shop__look", {"tag": "a", "echo": echo}))

    assert json.loads(content) == {"tag": "a", "echo": echo}


async def test_an_argument_with_the_name_of_a_mark_is_refused_for_that_call_alone() -> None:
    async with gate_with(shop=Shop()) as gate:
        (_, bad), (_, good) = await answers(
            gate, "chat", use("1", "shop__look", {"$from": "c2"}), use("2", "shop__look", {"tag": "b"})
        )

    assert "$from" in json.loads(bad)["error"]
    assert good == '{"tag":"b"}'


@pytest.mark.parametrize("shape", SHAPES)
async def test_headgates_own_tools_are_answered_in_their_places(shape: str) -> None:
    async with gate_with(shop=Shop()) as gate:
        results = await answers(
            gate,
            shape,
            use("1", "shop__look", {"tag": "a"}),
            use("2", "batch_call", {"calls": [{"tool": "shop__look", "arguments": {"tag": "b"}}]}),
            use("3", "find_tools", {"query": "look", "limit": "many"}),
            use("4", "shop__look", {"tag": "d"}),
        )

    assert [identity for identity, _ in results] == ["1", "2", "3", "4"]
    assert json.loads(results[1][1])["results"][0]["data"] == {"tag": "b"}
    assert "do not fit" in results[2][1]
    assert results[3][1] == '{"tag":"d"}'


async def test_an_error_says_so_and_a_failed_call_is_marked_where_the_provider_has_a_mark() -> None:
    async with gate_with(shop=Shop()) as gate:
        block: dict[str, Any] = {"type": "tool_use", "id": "1", "name": "nobody__knows", "input": {}}
        (result,) = await gate.answer_anthropic([block])

    assert result["is_error"] is True
    assert json.loads(result["content"])["error_code"] == "UNKNOWN_TOOL"


async def test_it_waits_for_the_end_whatever_answer_within_says() -> None:
    async with gate_with(shop=Shop(), answer_within_s=1.0) as gate:
        ((_, content),) = await answers(gate, "chat", use("1", "shop__look", {"tag": "a", "s": 20}))

    assert content == '{"tag":"a"}'


async def test_what_a_budget_cuts_says_where_the_rest_is() -> None:
    rules = UpstreamRules(tools={"long": ToolRules(result_limit=100)})
    shop = Shop(results={"long": text("x" * 1_000)})
    async with gate_with(shop=shop, rules=rules) as gate:
        ((_, content),) = await answers(gate, "chat", use("1", "shop__long", {}))
        told = json.loads(content)
        tool_name = told["rest"].pop("tool")
        rest = await answers(gate, "chat", use("2", tool_name, told["rest"]))

    assert told["truncated"]["of"] == 1_002
    assert "x" * 1_000 in rest[0][1]


async def test_more_calls_than_a_batch_may_hold_are_made_in_several() -> None:
    async with gate_with(shop=Shop(), max_calls=2) as gate:
        results = await answers(gate, "chat", *(use(str(n), "shop__look", {"tag": str(n)}) for n in range(5)))

    assert results == [(str(n), f'{{"tag":"{n}"}}') for n in range(5)]


async def test_an_answer_without_calls_has_no_results() -> None:
    async with gate_with(shop=Shop()) as gate:
        assert await gate.answer_openai({"role": "assistant", "content": "done"}) == []
        assert await gate.answer_openai([]) == []
        assert await gate.answer_anthropic("done") == []


async def test_objects_of_a_providers_library_will_do() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "shop__look", "arguments": '{"tag": "a"}'}}
    block = {"type": "tool_use", "id": "2", "name": "shop__look", "input": {"tag": "b"}}
    async with gate_with(shop=Shop()) as gate:
        (first,) = await gate.answer_openai(LibraryModel({"role": "assistant", "tool_calls": [call]}))
        (second,) = await gate.answer_anthropic([LibraryModel(block)])

    assert (first["content"], second["content"]) == ('{"tag":"a"}', '{"tag":"b"}')


async def test_what_is_no_answer_of_a_model_is_refused_with_what_it_should_be() -> None:
    async with gate_with(shop=Shop()) as gate:
        with pytest.raises(NotAnAnswerError, match="assistant message"):
            await gate.answer_openai("call the tool")
        with pytest.raises(NotAnAnswerError, match="content blocks"):
            await gate.answer_anthropic(7)


async def test_images_go_where_the_provider_takes_them_and_are_told_of_where_not() -> None:
    shop = Shop(results={"seen": {"content": [IMAGE]}, "heard": text("la", content=[*text("la")["content"], SOUND])})
    async with gate_with(shop=shop) as gate:
        ((_, chat),) = await answers(gate, "chat", use("1", "shop__seen", {}))
        ((_, response),) = await answers(gate, "responses", use("1", "shop__seen", {}))
        ((_, message),) = await answers(gate, "messages", use("1", "shop__seen", {}))
        ((_, sound),) = await answers(gate, "messages", use("1", "shop__heard", {}))

    assert chat == "(image: not text, and left out)"
    assert response == [{"type": "input_image", "image_url": "data:image/png;base64,aGk="}]
    assert message == [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}]
    assert [part["type"] for part in sound] == ["text", "text"]


async def test_a_person_is_asked_where_a_write_needs_it() -> None:
    asked: list[str] = []

    async def approve(question: str) -> Any:
        asked.append(question)
        return "allowed"

    async with gate_with(shop=Shop(), confirm_writes=True) as gate:
        ((_, content),) = await answers(gate, "chat", use("1", "shop__pay", {"tag": "a"}), approve=approve)
        ((_, denied),) = await answers(gate, "chat", use("1", "shop__pay", {"tag": "a"}))

    assert content == '{"tag":"a"}'
    assert len(asked) == 1
    assert json.loads(denied)["error_code"] == "DENIED"


async def test_every_tool_is_offered_in_the_shape_of_each_api() -> None:
    shop = Shop(definitions=[tool("odd", read=True, inputSchema={"properties": {"a": {"type": "string"}}})])
    async with gate_with(shop=shop) as gate:
        chat, responses, messages = (gate.tools_for(api) for api in ("chat", "responses", "messages"))

    names = [one["function"]["name"] for one in chat]
    assert names == [one["name"] for one in responses] == [one["name"] for one in messages]
    assert names[-3:] == ["shop__look", "shop__pay", "shop__odd"]
    assert chat[-1]["function"]["parameters"]["type"] == "object"
    assert messages[-1]["input_schema"]["properties"] == {"a": {"type": "string"}}
    assert {one["type"] for one in [*chat, *responses]} == {"function"}


@pytest.mark.parametrize("shape", SHAPES)
async def test_half_an_emoji_in_a_models_call_is_a_character_that_is_not_known(shape: str) -> None:
    shop = Shop()
    async with gate_with(shop=shop) as gate:
        results = await answers(
            gate,
            shape,
            use("a", "shop__pay", {"tag": "first"}),
            use("b", "shop__look", {"tag": "cut \ud83d"}),
            use("c", "shop__l\ud83dk", {}),
        )

    assert [identity for identity, _ in results] == ["a", "b", "c"]
    assert results[1][1] == '{"tag":"cut \ufffd"}'
    assert "UNKNOWN_TOOL" in results[2][1]
    assert "cut \ufffd starts" in shop.events


async def test_arguments_that_json_has_no_form_for_fail_their_own_call() -> None:
    async with gate_with(shop=Shop()) as gate:
        wrong, right = await answers(
            gate, "messages", use("a", "shop__look", {"tag": {1, 2}}), use("b", "shop__look", {"tag": "b"})
        )

    assert "the arguments are not valid JSON" in wrong[1]
    assert right[1] == '{"tag":"b"}'
