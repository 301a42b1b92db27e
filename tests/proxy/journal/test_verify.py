"""Nobody changes the past unnoticed."""
# ruff: noqa: S608 - what stands in the statements comes from the tables themselves

import asyncio
import json
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from tests.proxy.journal.books import OK, UNKNOWN, found, intent, journal_at, number

from headgate.proxy.journal.chain import Chain
from headgate.proxy.journal.file import open_file
from headgate.proxy.journal.journal import Ending
from headgate.proxy.journal.ledger import Ledger
from headgate.proxy.journal.records import opened
from headgate.proxy.journal.upkeep import KEEP_S, prune, used_bytes
from headgate.proxy.journal.verify import faults_in, lines
from headgate.tools.keys import KEPT_S

TABLES = ("writes", "events")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with a bit of everything in it."""
    path = tmp_path / "journal.db"
    asyncio.run(fill(path))
    return path


async def fill(path: Path) -> None:
    now = [1_000_000.0]
    async with journal_at(path, clock=lambda: now[0]) as journal:
        for key in ("a", "b", None):
            await journal.settle(number(await journal.claim(intent(key))), OK)
        await journal.settle(number(await journal.claim(intent("u", sum=2))), UNKNOWN)
        journal.note(number(await journal.claim(intent("n"))), Ending("not_sent"))
        await journal.settle(
            number(await journal.claim(intent("n"))), Ending("failed", code="TOOL_ERROR", message="no")
        )
        now[0] += KEPT_S
        await journal.settle(number(await journal.claim(intent("a"))), OK)


def faults(path: Path) -> list[str]:
    with opened(path) as connection:
        return faults_in(connection)


@contextmanager
def opened_anew(path: Path) -> Generator[Ledger]:
    with closing(open_file(path).connection) as connection:
        yield Ledger(connection, "nobody", lambda _owner: True)


def change(path: Path, statement: str) -> int:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).rowcount


def test_what_nobody_has_touched_has_no_fault(path: Path) -> None:
    assert faults(path) == []


async def test_the_chain_of_two_that_share_a_file_holds_whoever_adds_to_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with journal_at(path) as one, journal_at(path) as other:
        for key in range(5):
            # An intent after the other's intent, an ending after it, an ending after an ending, an intent after one.
            writes = [number(await journal.claim(intent(f"{name} {key}"))) for name, journal in enumerate((one, other))]
            await one.settle(writes[0], OK)
            await other.settle(writes[1], OK)
        assert found(await one.claim(intent("1 0"))).ending == OK

    assert faults(path) == []


async def test_what_was_rolled_back_leaves_no_gap(tmp_path: Path) -> None:
    with opened_anew(tmp_path / "journal.db") as ledger:
        for told in ("first", "second"):
            with suppress(ZeroDivisionError), ledger.transaction():
                ledger.claim(intent(told), 1.0)
                ledger.chain.append(0, 1.0, told, {})
                raise ZeroDivisionError
        with ledger.transaction():
            ledger.settle(number(ledger.claim(intent(), 1.0)), OK, 1.0)

        assert faults_in(ledger.connection) == []


def cells(path: Path) -> Iterator[tuple[str, int, str]]:
    with opened(path) as connection:
        for table in TABLES:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            rows = [row[0] for row in connection.execute(f"SELECT rowid FROM {table}")]
            yield from ((table, row, column) for row in rows for column in columns)


def test_a_change_of_any_cell_is_found(path: Path) -> None:
    missed: list[tuple[str, int, str]] = []
    whole = path.read_bytes()
    for table, row, column in cells(path):
        if column == "live":
            continue  # it says which key is held, and has a test of its own below
        number = f"typeof({column}) IN ('integer', 'real')"
        other = f"CASE WHEN {number} THEN {column} + 1000 ELSE coalesce({column}, '') || 'x' END"
        change(path, f"UPDATE {table} SET {column} = {other} WHERE rowid = {row}")
        if not faults(path):
            missed.append((table, row, column))
        path.write_bytes(whole)

    assert missed == []


@pytest.mark.parametrize("table", TABLES)
def test_a_row_that_is_taken_out_is_missed(path: Path, table: str) -> None:
    whole = path.read_bytes()
    for row in {row for in_table, row, _ in cells(path) if in_table == table}:
        change(path, f"DELETE FROM {table} WHERE rowid = {row}")
        assert faults(path), row
        path.write_bytes(whole)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO writes SELECT 999, '', 'up', 'pay', NULL, '', 'ok', '', 0, 0, NULL, NULL, 999, NULL, NULL",
        "INSERT INTO events SELECT 999, 1, 0, 'ok', '{}', ''",
        "INSERT INTO events SELECT max(seq) + 1, 1, 0, 'ok', '{}', max(hash) FROM events",
    ],
)
def test_a_row_that_is_put_in_is_found(path: Path, statement: str) -> None:
    assert change(path, statement) == 1
    assert faults(path)


def test_a_key_that_was_freed_is_missed(path: Path) -> None:
    assert change(path, "UPDATE writes SET live = NULL WHERE key = 'b'") == 1

    assert "its key was freed" in faults(path)[0]


def test_answers_are_forgotten_after_a_day_and_the_rest_after_a_month_but_never_what_is_unknown(path: Path) -> None:
    now = 1_000_000.0 + KEPT_S
    with opened(path) as connection:
        connection.execute("BEGIN")
        prune(connection, Chain(connection), now)
        connection.execute("COMMIT")
        assert faults_in(connection) == []
        kept = connection.execute("SELECT count(*) FROM writes WHERE ending IS NOT NULL AND state = 'ok'").fetchone()
        assert kept == (1,)
        for later in (KEEP_S + 1, KEEP_S + KEPT_S, 3 * KEEP_S, 9 * KEEP_S):
            connection.execute("BEGIN")
            prune(connection, Chain(connection), now + later)
            connection.execute("COMMIT")
            assert faults_in(connection) == []
        left = connection.execute("SELECT key, state FROM writes").fetchall()
        assert left == [("u", "unknown")]
        (story,) = [line for line in lines(connection) if '"u"' in line]

    assert '"what": "carried"' in story


@pytest.mark.parametrize("column", ["told", "seal"])
def test_a_line_that_was_dropped_does_not_come_back_unnoticed(path: Path, column: str) -> None:
    with opened(path) as connection:
        connection.execute("BEGIN")
        prune(connection, Chain(connection), 1_000_000.0 + KEPT_S + KEEP_S + 1)
        connection.execute("COMMIT")

    assert change(path, f"UPDATE writes SET {column} = 'x' WHERE {column} IS NULL") > 0
    assert faults(path)


async def test_what_is_too_much_goes_oldest_answer_first_and_no_key_is_lost(tmp_path: Path) -> None:
    big = Ending("ok", {"content": [{"type": "text", "text": "x" * 100_000}]})
    path = tmp_path / "journal.db"
    now = [1_000_000.0]
    async with journal_at(path, clock=lambda: now[0]) as journal:
        for key in range(20):
            now[0] += 1
            await journal.settle(number(await journal.claim(intent(str(key)))), big)
        with opened(path) as connection:
            before = used_bytes(connection)
            connection.execute("BEGIN")
            prune(connection, Chain(connection), now[0], max_bytes=1_000_000)
            connection.execute("COMMIT")
            assert used_bytes(connection) < 0.7 * before
            assert faults_in(connection) == []

        assert found(await journal.claim(intent("19"))).ending == big
        assert "not kept any more" in str(found(await journal.claim(intent("0"))).ending.result)


async def test_what_is_old_goes_while_writes_are_made_and_the_chain_holds(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    now = [1_000_000.0]
    async with journal_at(path, clock=lambda: now[0]) as journal:
        await journal.settle(number(await journal.claim(intent("old"))), OK)
        await journal.claim(intent("in doubt"))
        now[0] += 2 * KEEP_S
        for key in range(100):
            writes = await asyncio.gather(*(journal.claim(intent(f"{key} {one}")) for one in range(3)))
            await asyncio.gather(*(journal.settle(number(write), OK) for write in writes))

    with opened(path) as connection:
        assert faults_in(connection) == []
        assert [json.loads(line)["what"] for line in lines(connection)].count("dropped") == 1
        held = {key for (key,) in connection.execute("SELECT key FROM writes")}

    assert "old" not in held
    assert "in doubt" in held
