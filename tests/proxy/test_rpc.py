"""JSON-RPC over a line: each answer to its own request, whatever else comes in, and no request left waiting."""

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError
from tests.proxy.line import Line, served
from tests.proxy.parts import turns
from tests.virtual_time import VirtualLoop, in_virtual_time

from headgate.proxy.backpressure import HANDLED, HEAVY
from headgate.proxy.connection import CallFailedError, TakenBackError
from headgate.proxy.input import Slip
from headgate.proxy.messages import decoded, encoded, heard
from headgate.proxy.rpc import AwaitedRequest, LineClosedError


@in_virtual_time
async def test_answers_in_any_order_reach_the_requests_they_belong_to() -> None:
    line = Line()
    async with asyncio.TaskGroup() as tasks:
        waiting = [line.ask(tasks) for _ in range(10)]
        for request in reversed(line.written):
            line.says(id=request["id"], result={"echo": request["id"]})

    assert [task.result()["echo"] for task in waiting] == [request["id"] for request in line.written]
    assert len({request["id"] for request in line.written}) == 10
    assert not line.rpc._pending  # pyright: ignore[reportPrivateUsage] - what has ended is forgotten


@in_virtual_time
async def test_the_first_of_two_answers_counts_and_the_second_is_ignored() -> None:
    line = Line()
    async with asyncio.TaskGroup() as tasks:
        waiting = line.ask(tasks)
        line.says(id=1, result={"n": 1})
        line.says(id=1, result={"n": 2})

    assert waiting.result() == {"n": 1}
    assert line.rpc.ignored == 1


@in_virtual_time
async def test_an_id_sent_back_as_text_is_the_same_id() -> None:
    line = Line()
    async with asyncio.TaskGroup() as tasks:
        waiting = line.ask(tasks)
        line.says(id="1", result={"n": 1})
    assert waiting.result() == {"n": 1}


@in_virtual_time
@pytest.mark.parametrize("identity", [99, "99", "x", None, True, 1.0, [1], {"id": 1}, "٣", "9" * 5000])
async def test_an_answer_to_nobody_changes_nothing(identity: Any) -> None:
    line = Line()
    async with asyncio.TaskGroup() as tasks:
        waiting = line.ask(tasks)
        line.says(id=identity, result={"n": 0})
        await turns()
        assert not waiting.done()
        line.says(id=1, result={"n": 1})

    assert waiting.result() == {"n": 1}
    assert line.rpc.ignored == 1


@in_virtual_time
@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"Listening on port 3000",
        b"\xff\xfe\x00",
        b"[]",
        b"17",
        b'"text"',
        b"null",
        b"NaN",
        b'{"jsonrpc":"2.0","id":1,"result":{',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"jsonrpc":"2.0","method":7}',
        b'{"jsonrpc":"2.0","id":007,"result":{"n":NaN}}',
        b'{"jsonrpc":"2.0","id":"\xff","result":{"n":NaN}}',
        b'[{"jsonrpc":"2.0","id":1,"result":{}}]',
    ],
)
async def test_garbage_is_counted_and_otherwise_ignored(garbage: bytes) -> None:
    line = Line()
    async with served(line.rpc), asyncio.TaskGroup() as tasks:
        waiting = line.ask(tasks)
        line.rpc.receive(garbage)
        line.says(id=1, result={"n": 1})
    assert waiting.result() == {"n": 1}
    assert line.rpc.ignored == 1


@in_virtual_time
@pytest.mark.parametrize(
    "broken",
    [
        b'{"jsonrpc":"2.0","id":1,"result":{"n":NaN}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"method":"m","n":NaN}}',
        b'{"result":{"n":Infinity},"jsonrpc":"2.0","id":1}\r',
        b'{"id":1,"jsonrpc":"2.0","result":{"s":"\xff"}}',
    ],
)
async def test_an_answer_that_is_no_json_fails_its_request_at_once_and_no_other(broken: bytes) -> None:
    line = Line()
    heard: list[bytes] = []
    line.rpc.noise = heard.append
    async with served(line.rpc), asyncio.TaskGroup() as tasks:
        waiting, other = tasks.create_task(failure_of(line.rpc.request("m", {}))), line.ask(tasks)
        await turns()
        line.rpc.receive(broken)
        line.rpc.receive(broken)
        line.says(id=2, result={"n": 2})

    failed = waiting.result()
    assert (str(failed), failed.sent, failed.transient) == ("its answer is not valid JSON", True, False)
    assert other.result() == {"n": 2}
    assert heard == [broken, broken]
    assert line.rpc.ignored == 1


@in_virtual_time
async def test_what_is_no_json_and_no_answer_fails_nothing() -> None:
    line = Line()
    async with served(line.rpc), asyncio.TaskGroup() as tasks:
        waiting = line.ask(tasks)
        line.rpc.receive(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"n":NaN}}')
        line.rpc.receive(b'{"level":"info","n":NaN}')
        line.says(id=1, result={})
    assert waiting.result() == {}


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (rb"cut \ud83d", "cut \ufffd"),
        (rb"cut \ud83d\ude00", "cut \U0001f600"),
        (rb"\ude00\ud83d\ud83d\ude00", "\ufffd\ufffd\U0001f600"),
        (rb"\\ud83d \\\uD83D", "\\ud83d \\\ufffd"),
    ],
)
def test_half_a_character_is_no_reason_to_lose_an_answer(said: bytes, read: str) -> None:
    assert heard(b'{"text":"' + said + b'"}') == {"text": read}
    assert decoded(b'{"text":"' + said + b'"}') in (None, {"text": read})


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**30 + 1, 2**64 - 1, -(2**63), 10**18, 10**400])
@pytest.mark.parametrize("read", [decoded, heard])
def test_what_a_client_asks_for_and_a_peer_answers_keeps_its_digits(read: Any, number: int) -> None:
    said = b'{"text":"1234567890123456789012","n":[%d,1.5]}' % number
    assert read(said) == {"text": "1234567890123456789012", "n": [number, 1.5]}


def test_beside_half_a_character_too() -> None:
    assert heard(rb'{"text":"cut \ud83d","n":%d}' % (2**70 + 1)) == {"text": "cut \ufffd", "n": 2**70 + 1}
    assert heard(rb'{"text":"cut \ud83d","n":%d}' % 10**400) == {"text": "cut \ufffd", "n": 10**400}


async def failure_of(request: AwaitedRequest) -> CallFailedError:
    with pytest.raises(CallFailedError) as failed:
        await request.answer()
    return failed.value


@in_virtual_time
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"error": {"code": -32602, "message": "no such tool"}}, "no such tool"),
        ({"error": {"message": 7}}, "neither a result nor an error"),
        ({"error": "broken"}, "neither a result nor an error"),
        ({"result": None}, "neither a result nor an error"),
        ({"result": [1]}, "neither a result nor an error"),
        ({}, "neither a result nor an error"),
    ],
)
async def test_an_error_and_an_answer_of_the_wrong_shape_are_raised(answer: dict[str, Any], message: str) -> None:
    line = Line()
    request = line.rpc.request("m", {})
    line.says(id=1, **answer)
    with pytest.raises(MCPError, match=message):
        await request.answer()


@in_virtual_time
async def test_a_request_that_is_called_off_is_cancelled_over_there_and_its_late_answer_ignored() -> None:
    line = Line()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await line.rpc.request("m", {}).answer()

    assert line.written[1:] == [
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
    ]
    line.says(id=1, result={"late": True})
    assert line.rpc.ignored == 1

    async with asyncio.TaskGroup() as tasks:
        waiting = line.ask(tasks)
        line.says(id=2, result={"n": 2})
    assert waiting.result() == {"n": 2}


@in_virtual_time
async def test_a_closed_line_ends_everything_that_waits_and_takes_nothing_more() -> None:
    line = Line()
    requests = [line.rpc.request("m", {}) for _ in range(5)]
    line.rpc.close("it ended with exit code 1")
    line.rpc.close("a second reason")

    for request in requests:
        with pytest.raises(LineClosedError, match="exit code 1") as closed:
            await request.answer()
        assert closed.value.sent
    with pytest.raises(LineClosedError, match="exit code 1") as closed:
        line.rpc.request("m", {})
    assert not closed.value.sent
    assert await line.rpc.closed() == "it ended with exit code 1"
    line.rpc.tell("n", None)
    assert len(line.written) == 5


@in_virtual_time
async def test_any_json_that_came_in_can_go_out() -> None:
    line = Line()
    huge, half = 2**70, "half a pair: \ud83d"
    sent: list[bytes] = []
    line.rpc.write = sent.append

    line.rpc.request("m", {"huge": huge, "half": half, "plain": "é"})

    import json

    assert json.loads(sent[0])["params"] == {"huge": huge, "half": half, "plain": "é"}
    assert b"\n" not in sent[0]


def test_what_is_no_number_is_null_beside_a_large_integer_too() -> None:
    nan, infinity = float("nan"), float("inf")
    assert encoded({"n": nan, "m": [infinity, -infinity]}) == b'{"n":null,"m":[null,null]}'
    assert encoded({"n": nan, "m": [infinity, 2**70]}) == b'{"n":null,"m":[null,%d]}' % 2**70
    with pytest.raises(TypeError):
        encoded({"n": 2**70, "m": {1, 2}})


@in_virtual_time
async def test_a_request_that_was_not_begun_is_taken_back_and_one_that_was_is_cancelled() -> None:
    line = Line()
    slips = [Slip(b""), Slip(b"")]
    slips[0].begun = True
    given = iter(slips)
    line.rpc.write = lambda message: [line.written.append(orjson.loads(message)), next(given, None)][1]
    taken: list[Slip] = []
    line.rpc.take_back = lambda slip: not slip.begun and not taken.append(slip)
    endings: list[type[BaseException]] = []

    async def wait(request: AwaitedRequest) -> None:
        try:
            await request.answer()
        except asyncio.CancelledError as ended:
            endings.append(type(ended))
            raise

    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(wait(line.rpc.request("m", {}))) for _ in slips]
        await turns()
        for task in waiting:
            task.cancel()

    assert endings == [asyncio.CancelledError, TakenBackError]
    assert taken == slips[1:]
    assert [message["params"] for message in line.written[2:]] == [{"requestId": 1}]


@in_virtual_time
async def test_a_request_of_which_nothing_had_been_sent_says_so_when_the_line_closes() -> None:
    line = Line()
    slips = [Slip(b""), Slip(b"")]
    slips[0].begun = True
    given = iter(slips)
    line.rpc.write = lambda _message: next(given)
    requests = [line.rpc.request("m", {}) for _ in slips]
    line.rpc.close("it ended")
    for request, sent in zip(requests, (True, False), strict=True):
        with pytest.raises(LineClosedError) as closed:
            await request.answer()
        assert closed.value.sent is sent


@in_virtual_time
async def test_calls_are_awaited_once_they_have_been_read_and_what_is_no_call_is_not() -> None:
    line = Line()
    slips = [Slip(b""), Slip(b"")]
    given = iter([*slips, Slip(b"")])
    line.rpc.write = lambda _message: next(given)
    call = line.rpc.request("tools/call", {})
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(line.rpc.send_raw_request("subscriptions/listen", {}))
        await turns()
        assert not line.rpc.awaits(1_000)
        slips[0].end = slips[1].end = 100
        assert not line.rpc.awaits(99)
        assert line.rpc.awaits(100)
        line.says(id=1, result={})
        assert not line.rpc.awaits(100)
        listening.cancel()
    await call.answer()


happening = st.sampled_from(["answer", "fail", "cancel", "stranger", "garbage", "close"])


def test_whatever_happens_in_whatever_order_each_request_ends_once_and_with_its_own_answer() -> None:
    @given(st.lists(st.tuples(happening, st.integers(1, 8)), max_size=30))
    def each(events: list[tuple[str, int]]) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(_all_end(events))

    each()


async def _all_end(events: list[tuple[str, int]]) -> None:
    line = Line()
    expected: dict[int, str] = {}
    async with asyncio.TaskGroup() as tasks:
        waiting = {number: tasks.create_task(_ending(line, number)) for number in range(1, 9)}
        await turns()
        for event, number in (*events, ("close", 0)):
            match event:
                case "answer":
                    line.says(id=number, result={"n": number})
                case "fail":
                    line.says(id=number, error={"code": 1, "message": str(number)})
                case "cancel":
                    waiting[number].cancel()
                case "stranger":
                    line.says(id=number + 100, result={})
                case "garbage":
                    line.rpc.receive(b"garbage")
                case _:
                    line.rpc.close("gone")
            if event in {"answer", "fail", "cancel"}:
                expected.setdefault(number, event)
            if event == "close":
                expected = {one: expected.get(one, "close") for one in waiting}
            await turns()
    ended = {number: "cancel" if task.cancelled() else task.result() for number, task in waiting.items()}
    assert ended == expected


async def _ending(line: Line, number: int) -> str:
    try:
        result = await line.rpc.request("m", {}).answer()
    except MCPError as failed:
        return "fail" if failed.error.message == str(number) else "the failure of another"
    except LineClosedError:
        return "close"
    return "answer" if result == {"n": number} else "the answer of another"


@in_virtual_time
async def test_what_nobody_waits_for_is_weighed_and_answers_are_not() -> None:
    line = Line()
    async with served(line.rpc), asyncio.TaskGroup() as tasks:
        asked = line.ask(tasks)
        await turns()
        assert line.rpc.expects
        line.says(id=1, result={"text": "x" * 100_000})
        assert (await asked, line.rpc.unasked, line.rpc.expects) == ({"text": "x" * 100_000}, 0, False)

        weights: list[int] = []
        for message in (b"garbage", b"x" * 10 * HEAVY, b'{"id":1,"result":{}}', b'{"method":"notifications/message"}'):
            before = line.rpc.unasked
            line.rpc.receive(message)
            weights.append(line.rpc.unasked - before)
        line.says(method="notifications/of/a/kind")
        assert [*weights, line.rpc.unasked] == [1, 11, 3, 3, sum(weights) + 3 + HANDLED]
