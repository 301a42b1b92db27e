"""Servers over stdio that misbehave: what the caller sees of it, and that its other calls see nothing."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.proxy.loops import on_each_loop
from tests.proxy.misbehaving import data_of, gone, hostile, is_gone, opened
from tests.proxy.parts import all_at_once, attempt, tool, turns
from tests.timings import CLOCK_S, SLACK_S

from headgate.proxy import child
from headgate.proxy.attempt import Attempt
from headgate.proxy.connection import CallFailedError, Connection, Opening, TakenBackError, UnavailableError
from headgate.proxy.stdio import stdio_opener
from headgate.proxy.target import StdioTarget

pytestmark = on_each_loop


OPENING = Opening("hostile", lambda: None)


def looking(name: str, **arguments: Any) -> Attempt:
    """A call on its way."""
    made = attempt(tool(name))
    made.arguments = arguments
    return made


async def ending_of(connection: Connection, made: Attempt, timeout_s: float) -> float:
    """When the call ended that got no answer in time; it is noted whether it was sent."""

    async def send() -> None:
        async with asyncio.timeout(timeout_s):
            made.sent = True
            try:
                await connection.call_tool(made.tool.name, made.arguments)
            except TakenBackError:
                made.sent = False
                raise asyncio.CancelledError from None

    with pytest.raises(TimeoutError):
        await send()
    return time.monotonic()


def lines_of(ledger: Path) -> list[dict[str, Any]]:
    """The calls that a child has written down."""
    return [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []


async def data_written(ledger: Path) -> None:
    """Wait until a call has been written down."""
    while not lines_of(ledger):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.01)


async def failure_of(connection: Connection, tool: str, **arguments: object) -> CallFailedError:
    with pytest.raises(CallFailedError) as failed:
        await data_of(connection, tool, **arguments)
    return failed.value


async def test_calls_go_out_together_and_each_gets_its_own_answer() -> None:
    async with asyncio.timeout(10), opened() as connection:
        assert {tool["name"] for tool in await connection.list_tools()} > {"echo", "die"}
        answers = await all_at_once(*(data_of(connection, "echo", n=n) for n in range(200)))
        assert [answer["n"] for answer in answers] == list(range(200))


async def test_a_child_that_dies_while_it_has_the_calls_ends_them_all_at_once_as_sent() -> None:
    async with asyncio.timeout(10), opened() as connection:
        pending = [failure_of(connection, "hang") for _ in range(20)]
        started = time.monotonic()
        *failures, _ = await all_at_once(*pending, failure_of(connection, "die"))
        assert time.monotonic() - started < 0.5 + SLACK_S

        for failure in failures:
            assert failure.sent
            assert failure.failure("write").code == "OUTCOME_UNKNOWN"
            assert failure.failure("read").code == "UPSTREAM_ERROR"
        assert str(failures[0]) == "the upstream is gone: it ended with exit code 3: fatal: •••"
        assert await connection.closed() == "it ended with exit code 3: fatal: •••"


async def test_a_call_to_a_child_that_is_dead_is_not_sent() -> None:
    async with asyncio.timeout(10), opened() as connection:
        assert await data_of(connection, "die_after") == {"last": True}
        await connection.closed()
        failure = await failure_of(connection, "echo")
        assert not failure.sent
        assert failure.failure("write").code == "UPSTREAM_UNAVAILABLE"


async def test_a_call_between_the_childs_end_and_the_verdict_on_it_is_not_sent() -> None:
    async with asyncio.timeout(10), opened() as connection:
        pids = await data_of(connection, "grandchild", holds=True, and_die=True)
        await gone(pids["own"], collected=True)
        await turns(20)
        assert not (await failure_of(connection, "echo")).sent


async def test_a_child_whose_end_is_first_seen_by_a_call_is_said_to_have_ended() -> None:
    async with asyncio.timeout(10), opened() as connection:
        pids = await data_of(connection, "grandchild", holds=True, and_die=True)
        while not is_gone(pids["own"]):
            time.sleep(0.01)  # noqa: ASYNC251 - the loop is not to hear of it
        assert not (await failure_of(connection, "echo")).sent
        assert await connection.closed() == "it ended with exit code 0"


async def test_what_a_child_says_before_it_dies_still_counts() -> None:
    async with asyncio.timeout(10), opened() as connection:
        assert await data_of(connection, "die_after") == {"last": True}
        assert await connection.closed() == "it ended with exit code 3"


async def test_so_does_what_stands_behind_more_than_can_be_taken_in_until_it_counts_as_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child, "_LAST_WORDS_S", 0.0)
    async with asyncio.timeout(10), opened() as connection:
        assert await data_of(connection, "die_after_flood", lines=25_000) == {"last": True}
        assert await connection.closed() == "it ended with exit code 3"


async def test_a_call_that_hangs_can_be_abandoned_is_cancelled_over_there_and_disturbs_nobody() -> None:
    async with asyncio.timeout(10), opened() as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await data_of(connection, "hang")
        assert await data_of(connection, "echo", n=1) == {"n": 1}
        assert len((await data_of(connection, "log"))["cancelled"]) == 1


async def test_an_answer_that_comes_after_its_call_was_abandoned_reaches_nobody() -> None:
    async with asyncio.timeout(10), opened() as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await data_of(connection, "late", s=0.2)
        assert await data_of(connection, "echo", n=1) == {"n": 1}


async def test_two_answers_and_answers_to_nobody_reach_only_whom_they_belong_to() -> None:
    async with asyncio.timeout(10), opened() as connection:
        assert await data_of(connection, "twice") == {"n": 1}
        assert await data_of(connection, "wrong_id") == {"wrong": False}
        assert await data_of(connection, "echo", n=3) == {"n": 3}


async def test_a_flood_of_garbage_is_skipped_without_a_stall() -> None:
    async with asyncio.timeout(10), opened() as connection:
        started = time.monotonic()
        flood, _ = await all_at_once(data_of(connection, "garbage", lines=20_000), data_of(connection, "echo"))
        assert flood == {"lines": 20_000}
        assert time.monotonic() - started < 2 + SLACK_S


async def test_an_answer_of_3_mb_arrives_whole_and_in_time() -> None:
    async with asyncio.timeout(10), opened() as connection:
        started = time.monotonic()
        answers = await all_at_once(data_of(connection, "big", bytes=3_000_000), data_of(connection, "echo", n=1))
        assert len(answers[0]["text"]) == 3_000_000
        assert answers[1] == {"n": 1}
        assert time.monotonic() - started < 2 + SLACK_S


async def test_an_answer_that_is_too_large_is_that_calls_failure_with_its_size_and_the_child_lives() -> None:
    async with asyncio.timeout(20), opened() as connection:
        pid = await data_of(connection, "pid")
        large, last, echo = await all_at_once(
            failure_of(connection, "big", bytes=64_000_000),
            failure_of(connection, "big", bytes=9_000_000, id_last=True),
            data_of(connection, "echo", n=1),
        )
        assert (large.code, large.sent, large.transient) == ("RESULT_TOO_LARGE", True, False)
        assert str(large) == "its answer is too large: it is 64 MB, and 8 MB is the limit"
        assert (last.code, str(last)) == (large.code, "its answer is too large: it is 9 MB, and 8 MB is the limit")
        assert large.failure("write").code == "OUTCOME_UNKNOWN"
        assert echo == {"n": 1}
        assert await data_of(connection, "pid") == pid


async def test_a_line_without_an_end_ends_the_child_and_the_calls_that_it_had() -> None:
    async with asyncio.timeout(20), stdio_opener(hostile(), 1_000_000)(OPENING) as connection:
        failures = await all_at_once(failure_of(connection, "hang"), failure_of(connection, "endless"))
        for failure in failures:
            assert (failure.code, failure.sent, failure.transient) == ("UPSTREAM_ERROR", True, True)
            assert str(failure) == "the upstream is gone: it sent 16 MB without the end of a line"


async def test_calls_to_a_child_that_does_not_read_end_at_their_own_time_and_are_never_sent(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    async with asyncio.timeout(20), opened(LEDGER=str(ledger)) as connection:
        async with asyncio.TaskGroup() as tasks:
            deaf = tasks.create_task(data_of(connection, "deaf", s=1))
            await data_written(ledger)
            attempts = [looking("echo", n=n, text="x" * 30_000) for n in range(10)]
            started = time.monotonic()
            endings = [tasks.create_task(ending_of(connection, attempt, 0.3)) for attempt in attempts]
            for ending in endings:
                ended_at = await ending
                assert 0.3 - CLOCK_S <= ended_at - started < 0.6 + SLACK_S
        await deaf
        await data_of(connection, "echo", n=99)

    sent = [attempt.arguments["n"] for attempt in attempts if attempt.sent]
    assert 1 <= len(sent) <= 3, "a pipe holds 64 KB"
    assert [call["n"] for call in lines_of(ledger) if call["tool"] == "echo"] == [*sent, 99]


async def test_once_too_much_waits_for_a_child_that_does_not_read_calls_are_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("headgate.proxy.stdio.MAX_UNREAD", 1_000_000)
    async with asyncio.timeout(10), opened() as connection, asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(failure_of(connection, "deaf")) for _ in range(1)]
        await turns(3)
        waiting += [tasks.create_task(failure_of(connection, "echo", text="x" * 500_000)) for _ in range(4)]
        failure = await waiting[-1]
        assert (failure.code, failure.sent, failure.transient) == ("UPSTREAM_UNAVAILABLE", False, True)
        assert str(failure) == "the upstream does not read its input"
        for one in waiting:
            one.cancel()


async def test_a_child_that_has_stopped_reading_is_ended_once_nobody_waits_for_what_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("headgate.proxy.child.WEDGED_S", 0.2)
    async with asyncio.timeout(10), opened() as connection, asyncio.TaskGroup() as tasks:
        deaf = tasks.create_task(failure_of(connection, "deaf"))
        await turns(3)
        unread = tasks.create_task(failure_of(connection, "echo", text="x" * 200_000))
        unsent = tasks.create_task(failure_of(connection, "echo", text="x" * 200_000))
        await asyncio.sleep(0.7)
        assert not unread.done(), "the child may be busy with the call that it has"
        deaf.cancel()
        assert await connection.closed() == "it has stopped reading its input"
        assert (await unread).sent
        failure = await unsent
        assert (failure.code, failure.sent, failure.transient) == ("UPSTREAM_UNAVAILABLE", False, True)


async def test_a_child_that_closes_its_input_ends_with_the_call_that_finds_out() -> None:
    async with asyncio.timeout(10), opened() as connection:
        await data_of(connection, "close_in")
        failure = await failure_of(connection, "echo")
        assert (failure.sent, failure.transient) == (False, True)
        assert await connection.closed() == "it has closed its input"


async def test_a_child_that_closes_its_output_ends_its_calls() -> None:
    async with asyncio.timeout(10), opened() as connection:
        failure = await failure_of(connection, "close_out")
        assert str(failure) == "the upstream is gone: it closed its output"


async def test_a_grandchild_that_keeps_the_output_open_does_not_keep_calls_waiting() -> None:
    async with asyncio.timeout(10):
        async with opened() as connection:
            waiting = asyncio.ensure_future(failure_of(connection, "hang"))  # noqa: TID251 - awaited below
            await turns(3)
            pids = await data_of(connection, "grandchild", holds=True, and_die=True)
            started = time.monotonic()
            failure = await waiting
            assert time.monotonic() - started < 2 + SLACK_S
            assert "it ended with exit code 0" in str(failure)
        await gone(pids["pid"], pids["own"])


async def test_what_the_child_asks_is_answered_a_ping_and_refused_everything_else() -> None:
    async with asyncio.timeout(10), opened() as connection:
        answers = {one["id"]: one for one in (await data_of(connection, "ask"))["answers"]}
        assert answers.pop("ping")["result"] == {}
        assert {name: answer["error"]["code"] for name, answer in answers.items()} == {
            "sampling/createMessage": -32600,
            "elicitation/create": -32600,
            "roots/list": -32600,
            "no/such/method": -32601,
        }


async def test_a_flood_of_news_that_nobody_listens_to_costs_little() -> None:
    async with asyncio.timeout(10), opened() as connection:
        started = time.monotonic()
        flood, _ = await all_at_once(data_of(connection, "news", n=20_000), data_of(connection, "echo"))
        assert flood == {"n": 20_000}
        assert time.monotonic() - started < 2 + SLACK_S


@pytest.mark.parametrize("what", ["garbage", "stderr", "unknown"])
async def test_a_call_to_a_child_that_floods_us_unasked_is_answered_all_the_same(what: str) -> None:
    async with asyncio.timeout(20), opened() as connection:
        await data_of(connection, "spew", what=what, s=0.2)
        assert await data_of(connection, "echo", n=1) == {"n": 1}
        assert await data_of(connection, "echo", n=2) == {"n": 2}


async def test_garbage_is_told_once_with_a_line_of_it_and_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(10), opened() as connection:
        await data_of(connection, "garbage", lines=5_000)
    told = [record.getMessage() for record in caplog.records if "prints on its stdout" in record.getMessage()]
    assert told == ['upstream "hostile" prints on its stdout what is no message (1 lines so far), such as: garbage 0']


async def test_a_changed_list_of_tools_is_told_and_listed() -> None:
    changed = asyncio.Event()
    async with asyncio.timeout(10), stdio_opener(hostile())(Opening("hostile", changed.set)) as connection:
        await data_of(connection, "change_tools")
        await changed.wait()
        assert "brand_new" in {tool["name"] for tool in await connection.list_tools()}


async def test_calls_under_way_end_when_the_session_is_closed_from_here() -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        async with opened() as connection:
            waiting = tasks.create_task(failure_of(connection, "hang"))
            await data_of(connection, "echo")
        assert (await waiting).sent


async def test_an_answer_with_a_protocol_error_is_an_error_and_not_unknown() -> None:
    async with asyncio.timeout(10), opened() as connection:
        failure = await failure_of(connection, "nothing")
        assert failure.failure("write").code == "UPSTREAM_ERROR"
        assert str(failure) == "no tool nothing"


async def test_what_cannot_be_started_is_named(tmp_path: Path) -> None:
    async def reason(target: StdioTarget) -> str:
        with pytest.raises(UnavailableError) as failed:
            async with asyncio.timeout(10), stdio_opener(target)(Opening("none", lambda: None)):
                pass
        return str(failed.value)

    missing = 'cannot start it: the command "no-such-program-here" is not there'
    assert await reason(StdioTarget("no-such-program-here")) == missing
    assert await reason(StdioTarget("no-such-program-here", cwd=str(tmp_path))) == missing
    nowhere = StdioTarget(hostile().command, hostile().args, cwd="/no/such/folder")
    assert await reason(nowhere) == 'cannot start it: its folder "/no/such/folder" is not there'
    (tmp_path / "text").write_text("no program")
    assert await reason(StdioTarget(str(tmp_path / "text"))) == (
        f'cannot start the command "{tmp_path / "text"}": Permission denied'
    )
    no_folder = StdioTarget(hostile().command, hostile().args, cwd=str(tmp_path / "text"))
    assert await reason(no_folder) == f'cannot start it in its folder "{tmp_path / "text"}": Not a directory'
