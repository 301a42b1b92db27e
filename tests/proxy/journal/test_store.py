"""The journal in a file: durable, atomic, its size kept, and honest when it cannot be written."""

import asyncio
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.proxy.journal.books import OK, UNKNOWN, data_of, found, intent, journal_at, number

from headgate.proxy.journal.chain import events
from headgate.proxy.journal.journal import Ending, JournalError
from headgate.proxy.journal.ledger import MAX_RESULT
from headgate.proxy.journal.records import opened
from headgate.proxy.journal.verify import faults_in
from headgate.tools.keys import KEPT_S

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


async def test_nothing_is_made_before_the_first_write(path: Path) -> None:
    async with journal_at(path):
        assert not path.parent.exists()


async def test_only_its_owner_may_read_it(path: Path) -> None:
    async with journal_at(path) as journal:
        await journal.claim(intent())

        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {
            stat.S_IMODE(file.stat().st_mode) & 0o077
            for file in path.parent.glob("journal.db*")
            if ".id" not in file.name
        } == {0}


async def test_a_key_is_held_by_the_write_that_had_it_first_and_gives_its_outcome_after_a_restart_too(
    path: Path,
) -> None:
    async with journal_at(path) as journal:
        write = number(await journal.claim(intent(sum=1)))
        again = found(await journal.claim(intent(sum=1)))
        assert (again.id, again.ending.state, again.here) == (write, "intent", True)
        await journal.settle(write, OK)
    async with journal_at(path) as journal:
        looked = found(await journal.look(intent(sum=1)))
        claimed = found(await journal.claim(intent(sum=1)))

        assert looked == claimed
        assert (looked.id, looked.ending, looked.here) == (write, OK, False)
        assert looked.fingerprint != intent(sum=2).fingerprint


async def test_writes_without_a_key_are_each_their_own(path: Path) -> None:
    async with journal_at(path) as journal:
        assert number(await journal.claim(intent(None))) != number(await journal.claim(intent(None)))


async def test_a_key_means_something_else_to_another_principal_tool_or_upstream(path: Path) -> None:
    async with journal_at(path) as journal:
        await journal.claim(intent("k"))

        assert isinstance(await journal.claim(intent("k", principal="p")), int)
        assert isinstance(await journal.claim(intent("k", tool="refund")), int)


async def test_a_write_that_never_went_out_frees_its_key(path: Path) -> None:
    async with journal_at(path) as journal:
        write = number(await journal.claim(intent()))
        journal.note(write, Ending("not_sent", code="UPSTREAM_UNAVAILABLE"))

        assert number(await journal.claim(intent())) != write


async def test_a_key_is_free_a_day_after_its_outcome_and_never_while_that_is_unknown(path: Path) -> None:
    now = [1000.0]
    async with journal_at(path, clock=lambda: now[0]) as journal:
        for key, ending in (("k", OK), ("u", UNKNOWN)):
            await journal.settle(number(await journal.claim(intent(key))), ending)
        now[0] += KEPT_S - 1
        assert found(await journal.claim(intent("k"))).ending == OK
        now[0] += 1
        assert isinstance(await journal.claim(intent("k")), int)
        now[0] += 1000 * KEPT_S
        assert found(await journal.claim(intent("u"))).ending.state == "unknown"


async def test_a_late_answer_settles_what_was_unknown_and_nothing_settles_what_is_settled(path: Path) -> None:
    async with journal_at(path) as journal:
        write = number(await journal.claim(intent()))
        await journal.settle(write, UNKNOWN)
        await journal.settle(write, OK)
        await journal.settle(write, UNKNOWN)
        await journal.settle(write, Ending("failed", code="TOOL_ERROR"))
        await journal.settle(write, Ending("not_sent"))

        assert found(await journal.claim(intent())).ending == OK


async def test_what_a_dead_process_left_is_unknown_and_what_a_living_one_makes_is_under_way(path: Path) -> None:
    async with journal_at(path) as one, journal_at(path) as other:
        write = number(await one.claim(intent()))
        assert found(await other.claim(intent())).ending.state == "intent"
        for lock in path.parent.glob("*.owner"):
            lock.unlink()  # nobody holds it any more, as far as the other can see
        dead = found(await other.claim(intent()))

        assert (dead.id, dead.ending.state) == (write, "unknown")
        assert "nobody saw its answer" in dead.ending.message


async def test_what_was_left_is_found_when_the_journal_is_opened(path: Path) -> None:
    async with journal_at(path) as journal:
        write = number(await journal.claim(intent()))
    async with journal_at(path) as journal:
        looked = found(await journal.look(intent()))

        assert (looked.id, looked.ending.state) == (write, "unknown")


async def test_two_that_share_a_file_never_both_get_a_key(path: Path) -> None:
    async with journal_at(path) as one, journal_at(path) as other:
        for key in map(str, range(100)):
            claims = await asyncio.gather(one.claim(intent(key)), other.claim(intent(key)))
            assert sorted(isinstance(claimed, int) for claimed in claims) == [False, True]


async def test_two_that_make_the_file_at_the_same_moment_can_both_use_it(tmp_path: Path) -> None:
    for place in range(10):
        path = tmp_path / str(place) / "journal.db"
        async with journal_at(path) as one, journal_at(path) as other:
            claims = await asyncio.gather(one.claim(intent("a")), other.claim(intent("b")))
            assert all(isinstance(claimed, int) for claimed in claims)


async def test_a_claim_that_is_called_off_frees_its_key(path: Path) -> None:
    async with journal_at(path) as journal:
        await journal.claim(intent("other"))
        async with asyncio.TaskGroup() as tasks:
            claiming = tasks.create_task(journal.claim(intent()))
            await asyncio.sleep(0)
            claiming.cancel()
        await journal.claim(intent("another"))
        await asyncio.sleep(0.05)

        assert isinstance(await journal.claim(intent()), int)


async def test_a_result_too_large_to_keep_is_kept_as_the_fact_that_there_was_one(path: Path) -> None:
    async with journal_at(path) as journal:
        write = number(await journal.claim(intent()))
        await journal.settle(write, Ending("ok", {"content": [{"type": "text", "text": "x" * MAX_RESULT}]}))
        kept = data_of(found(await journal.claim(intent())).ending)

        assert "too large to be kept" in kept["content"][0]["text"]
        assert not kept["isError"]


@pytest.mark.parametrize("large", [2**65 + 1, -(2**63) - 1, 10**400])
async def test_a_result_is_kept_to_the_last_digit_and_in_its_order(path: Path, large: int) -> None:
    said: dict[str, Any] = {"z": large, "a": [0.1, -0.0, {"n": large}], "é": "\N{GRINNING FACE}"}
    async with journal_at(path, arguments="full") as journal:
        write = number(await journal.claim(intent(**said)))
        await journal.settle(write, Ending("ok", {"content": [], "structuredContent": said}))
    async with journal_at(path) as journal:
        kept = data_of(found(await journal.claim(intent(**said))).ending)

    assert repr(kept["structuredContent"]) == repr(said)
    with closing(sqlite3.connect(path)) as connection:
        assert next(events(connection)).detail["arguments"] == said
        assert faults_in(connection) == []


async def test_an_intent_is_on_the_disk_no_sooner_than_what_was_settled_before_it(path: Path) -> None:
    async with journal_at(path) as journal, asyncio.TaskGroup() as tasks:
        write = number(await journal.claim(intent()))
        tasks.create_task(journal.settle(write, OK))
        await asyncio.sleep(0)
        await journal.claim(intent("next"))
        with opened(path) as connection:
            states = connection.execute("SELECT state FROM writes ORDER BY id").fetchall()

    assert states == [("ok",), ("intent",)]


async def test_a_thousand_writes_at_once_share_their_commits(path: Path) -> None:
    async def one(key: str) -> None:
        await journal.settle(number(await journal.claim(intent(key))), OK)

    async with journal_at(path) as journal:
        await one("first")
        began = time.perf_counter()
        for number_ in range(100):
            await one(f"alone {number_}")
        alone_s = (time.perf_counter() - began) / 100
        began = time.perf_counter()
        await asyncio.gather(*(one(f"together {number_}") for number_ in range(1000)))
        together_s = (time.perf_counter() - began) / 1000

    assert together_s < alone_s


async def test_while_it_is_locked_nothing_is_claimed_and_afterwards_all_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.proxy.journal.file.BUSY_S", 0.05)
    async with journal_at(path) as journal:
        write = number(await journal.claim(intent("before")))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="locked"):
            await journal.claim(intent())
        await journal.settle(write, OK)
        other.execute("ROLLBACK")
        other.close()

        assert isinstance(await journal.claim(intent()), int)
        assert found(await journal.claim(intent("before"))).ending == OK


def allow(folder: Path, *, writing: bool) -> None:
    folder.chmod(0o700 if writing else 0o500)


@pytest.fixture
def of_somebody() -> Iterator[Path]:
    """A folder of a user who may not do everything, as whom the test runs."""
    with TemporaryDirectory() as folder:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        yield Path(folder)
        if os.getuid() == 0:
            os.seteuid(0)


@pytest.mark.skipif(os.name == "nt", reason="rights are another matter there")
async def test_where_nothing_may_be_written_nothing_is_claimed(of_somebody: Path) -> None:
    path = of_somebody / "journal.db"
    allow(of_somebody, writing=False)
    async with journal_at(path) as journal:
        with pytest.raises(JournalError, match=r"cannot be opened: .*denied"):
            await journal.claim(intent())
        allow(of_somebody, writing=True)

        assert isinstance(await journal.claim(intent()), int)


@pytest.mark.skipif(os.name == "nt", reason="rights are another matter there")
async def test_a_journal_that_may_only_be_read_refuses_writes_until_it_may_be_written(of_somebody: Path) -> None:
    path = of_somebody / "journal.db"
    async with journal_at(path) as journal:
        await journal.settle(number(await journal.claim(intent())), OK)
    allow(of_somebody, writing=False)
    async with journal_at(path) as journal:
        with pytest.raises(JournalError, match="cannot be opened"):
            await journal.claim(intent("another"))
        allow(of_somebody, writing=True)

        assert found(await journal.claim(intent())).ending == OK


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def move(path: Path, to: Path) -> None:
    path.rename(to)


async def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(path: Path) -> None:
    write(path, b"my holiday pictures" * 1000)
    async with journal_at(path) as journal:
        with pytest.raises(JournalError, match="not a database"):
            await journal.claim(intent())

    assert read(path) == b"my holiday pictures" * 1000


@pytest.mark.parametrize("left", [0, 100, 5000, 20_000])
async def test_a_truncated_file_is_refused_and_its_return_is_welcome(path: Path, left: int) -> None:
    async with journal_at(path) as journal:
        await journal.settle(number(await journal.claim(intent())), OK)
    whole = read(path)
    write(path, whole[:left])
    async with journal_at(path) as journal:
        with pytest.raises(JournalError, match=r"is empty, and was not|malformed|not a database"):
            await journal.claim(intent())
        write(path, whole)

        assert found(await journal.claim(intent())).ending == OK


async def test_a_journal_that_is_taken_away_under_a_running_process_is_missed(path: Path) -> None:
    async with journal_at(path) as journal:
        await journal.settle(number(await journal.claim(intent())), OK)
        move(path, path.with_name("away"))
        with pytest.raises(JournalError, match="moved or taken away"):
            await journal.claim(intent("another"))
        move(path.with_name("away"), path)

        assert found(await journal.claim(intent())).ending == OK


@pytest.mark.skipif(os.name == "nt", reason="a limit of POSIX stands in for the end of the disk")
async def test_a_full_disk_refuses_writes_and_loses_nothing(path: Path) -> None:
    import resource

    huge = Ending("ok", {"content": [{"type": "text", "text": "x" * (MAX_RESULT - 1000)}]})
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    async with journal_at(path) as journal:
        held = [number(await journal.claim(intent(str(key)))) for key in range(4)]
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, hard))
        try:
            for one in held:
                await journal.settle(one, huge)
            with pytest.raises(JournalError, match=r"full|disk I/O error"):
                await journal.claim(intent("more"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

        assert isinstance(await journal.claim(intent("more")), int)
        assert [found(await journal.claim(intent(str(key)))).ending for key in range(4)] == [huge] * 4
