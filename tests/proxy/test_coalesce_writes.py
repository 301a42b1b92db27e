"""Identical reads before, during and after a write: none is given what is older than it may be."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.proxy.counter import Tally, add, batch, count_in, get, merged, outcomes, run
from tests.proxy.merging import PAY, Line, look
from tests.proxy.parts import answer, turns
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Ahead, Attempt
from headgate.proxy.connection import CallFailedError
from headgate.proxy.journal.journaled import Writes
from headgate.proxy.journal.memory import MemoryJournal
from headgate.proxy.limits import Limits
from headgate.proxy.path import call_path
from headgate.tools.rules import UpstreamRules


@in_virtual_time
async def test_reads_on_both_sides_of_a_write_are_never_one() -> None:
    tally = Tally()
    async with tally.up() as upstreams:
        driver = batch(upstreams, get(), get(), add(), get(), get())
        await run(driver)

    ended = outcomes(driver)
    assert [count_in(read) for read in (*ended[:2], *ended[3:])] == [0, 0, 1, 1]
    assert (tally.made["get"], merged(driver)) == (2, 2)


@in_virtual_time
async def test_a_read_that_set_out_before_a_write_is_not_joined_while_the_write_is_under_way() -> None:
    line = Line()
    async with line.group() as tasks:
        line.ask(tasks, look(), PAY, look())
        await turns()
        assert len(line.sent) == 3


@in_virtual_time
async def test_a_read_that_set_out_during_a_write_is_not_joined_after_its_end() -> None:
    line = Line()
    async with line.group() as tasks:
        line.ask(tasks, PAY, look())
        await turns()
        line.end(0, answer())
        await turns()
        line.ask(tasks, look())
        await turns()
        assert len(line.sent) == 3


@in_virtual_time
async def test_during_a_write_reads_share_a_call_until_any_read_has_ended_that_may_have_seen_the_write() -> None:
    line = Line()
    other = look(arguments={"k": 2})
    async with line.group() as tasks:
        line.ask(tasks, PAY, look(), other, look())
        await turns()
        assert len(line.sent) == 3
        line.end(2, answer())
        await turns()
        line.ask(tasks, look())
        await turns()
        assert len(line.sent) == 4


@in_virtual_time
async def test_a_read_from_before_a_write_that_ends_late_leaves_the_newer_one_to_be_joined() -> None:
    line = Line()
    async with line.group() as tasks:
        line.ask(tasks, look(), PAY)
        await turns()
        line.end(1, answer())
        await turns()
        line.ask(tasks, look())
        await turns()
        line.end(0, answer())
        await turns()
        line.ask(tasks, look())
        await turns()
        assert len(line.sent) == 3


@in_virtual_time
async def test_an_answer_fetched_ahead_that_lands_during_a_write_is_given_to_nobody() -> None:
    line = Line()
    told: list[bool | None] = []
    early = look(ahead=Ahead(10, lambda ahead: told.append(ahead.used)))
    async with line.group() as tasks:
        line.ask(tasks, PAY, early)
        await turns()
        line.end(1, answer())
        await turns()
        line.ask(tasks, look())
        await turns()
        assert len(line.sent) == 3
    assert told == [None, False]


@in_virtual_time
async def test_an_answer_fetched_ahead_is_given_to_nobody_once_a_write_that_was_given_up_is_answered() -> None:
    state = 0

    async def send(sending: Attempt) -> Mapping[str, Any]:
        nonlocal state
        sending.sent = True
        if sending.tool.kind == "write":
            await asyncio.sleep(5)
            state = 1
        return answer(state)

    writes = Writes(MemoryJournal(asyncio.get_running_loop().time))
    call = call_path(Limits(UpstreamRules(), "up"), send, writes=writes)
    async with writes.running():
        with pytest.raises(CallFailedError) as failed:
            await call(Attempt(PAY.tool, {}, 1.0))
        assert failed.value.failure("write").code == "OUTCOME_UNKNOWN"
        await call(look(ahead=Ahead(10, lambda _ahead: None)))
        assert await call(look()) == answer(0)
        await call(look(ahead=Ahead(10, lambda _ahead: None)))
        await asyncio.sleep(5)
        assert await call(look()) == answer(1)
