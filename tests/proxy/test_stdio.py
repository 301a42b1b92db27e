"""Servers over stdio that misbehave: what the caller sees of it, and that its other calls see nothing."""

import asyncio
import time
from pathlib import Path

import pytest
from tests.proxy.loops import on_each_loop
from tests.proxy.misbehaving import data_of, gone, hostile, opened
from tests.proxy.parts import all_at_once, turns

from headgate.proxy.connection import CallFailedError, Connection, Opening, UnavailableError
from headgate.proxy.stdio import stdio_opener
from headgate.proxy.target import StdioTarget

pytestmark = on_each_loop


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
        assert time.monotonic() - started < 0.5

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


async def test_what_a_child_says_before_it_dies_still_counts() -> None:
    async with asyncio.timeout(10), opened() as connection:
        assert await data_of(connection, "die_after") == {"last": True}
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
        assert time.monotonic() - started < 2


async def test_an_answer_of_3_mb_arrives_whole_and_in_time() -> None:
    async with asyncio.timeout(10), opened() as connection:
        started = time.monotonic()
        answers = await all_at_once(data_of(connection, "big", bytes=3_000_000), data_of(connection, "echo", n=1))
        assert len(answers[0]["text"]) == 3_000_000
        assert answers[1] == {"n": 1}
        assert time.monotonic() - started < 2


async def test_a_child_that_does_not_read_fails_calls_at_their_time_and_new_ones_once_too_much_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("headgate.proxy.stdio.MAX_UNREAD", 1_000_000)
    async with asyncio.timeout(10), opened() as connection:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await all_at_once(
                    data_of(connection, "deaf"), *(data_of(connection, "echo", text="x" * 500_000) for _ in range(5))
                )
        assert time.monotonic() - started < 0.6

        failure = await failure_of(connection, "echo")
        assert not failure.sent
        assert "does not read its input" in str(failure)


async def test_a_grandchild_that_keeps_the_output_open_does_not_keep_calls_waiting() -> None:
    async with asyncio.timeout(10):
        async with opened() as connection:
            waiting = asyncio.ensure_future(failure_of(connection, "hang"))  # noqa: TID251 - awaited below
            pids = await data_of(connection, "grandchild", holds=True, and_die=True)
            started = time.monotonic()
            failure = await waiting
            assert time.monotonic() - started < 0.5
            assert "it ended with exit code 0" in str(failure)
        await gone(pids["pid"], pids["own"])


async def test_what_the_child_asks_is_answered_a_ping_and_refused_a_sample() -> None:
    async with asyncio.timeout(10), opened() as connection:
        answers = {one["id"]: one for one in (await data_of(connection, "ask"))["answers"]}
        assert answers["ping-1"]["result"] == {}
        assert "error" in answers["sample-1"]


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
