"""A journal of an older version goes on where it was."""

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
from tests.proxy.journal.books import OK, found, intent, journal_at, number

from headgate.proxy.journal.chain import NOTHING, Chain, sealed
from headgate.proxy.journal.ledger import digest
from headgate.proxy.journal.records import opened
from headgate.proxy.journal.schema import MIGRATIONS
from headgate.proxy.journal.upkeep import KEEP_S, prune
from headgate.proxy.journal.verify import faults_in, lines

ANSWER = orjson.dumps({"result": OK.result, "code": None, "message": ""})


def of_the_first_version(path: Path) -> None:
    """A file with one write that is settled, and one that its process has left."""
    key = intent("old")
    told = {"principal": "", "upstream": "up", "tool": "pay", "class": "write", "owner": "dead"}
    said = [
        (1, "intent", {**told, "key": "old", "fingerprint": key.fingerprint}),
        (1, "ok", {"code": None, "result": digest(ANSWER)}),
        (3, "intent", {**told, "key": "left", "fingerprint": key.fingerprint}),
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in (*MIGRATIONS[0], "PRAGMA user_version = 1", "INSERT INTO facts VALUES ('journal', 'name')"):
            connection.execute(statement)
        seal = NOTHING
        for seq, (write, what, detail) in enumerate(said, 1):
            text = orjson.dumps(detail).decode()
            seal = sealed(seal, seq, write, float(seq), (what, text))
            connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", (seq, write, seq, what, text, seal))
        for row in ((1, "old", "ok", 1, 2, ANSWER, 1), (3, "left", "intent", 3, None, None, 3)):
            values = (*row[:2], key.fingerprint, *row[2:])
            connection.execute("INSERT INTO writes VALUES (?, '', 'up', 'pay', ?, ?, ?, 'dead', ?, ?, ?, 1, ?)", values)


async def test_a_journal_of_the_first_version_keeps_its_keys_and_its_chain(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    of_the_first_version(path)
    now = [10.0]
    async with journal_at(path, clock=lambda: now[0]) as journal:
        assert found(await journal.claim(intent("old"))).ending == OK
        assert found(await journal.claim(intent("left"))).ending.state == "unknown"
        await journal.settle(number(await journal.claim(intent("new"))), OK)

    with opened(path) as connection:
        assert faults_in(connection) == []
        whats = [orjson.loads(line)["what"] for line in lines(connection)]
        assert whats == ["intent", "ok", "intent", "unknown", "intent", "ok"]
        connection.execute("BEGIN")
        prune(connection, Chain(connection), now[0] + KEEP_S + 1)
        connection.execute("COMMIT")

        assert faults_in(connection) == []
        assert [key for (key,) in connection.execute("SELECT key FROM writes")] == ["left"]
