"""`headgate journal`: looking into the record of writes."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.proxy.journal.books import OK, UNKNOWN, found, intent, journal_at, number
from tests.server.cli.desk import Desk

from headgate.proxy.journal.journal import Ending


@pytest.fixture
def path(desk: Desk) -> Path:
    """A journal with a write that went well, one in doubt, and one without a key."""
    path = desk.project / "journal.db"
    desk.writes(desk.project / "headgate.toml", '[headgate]\njournal = "journal.db"\n')
    asyncio.run(fill(path))
    return path


async def fill(path: Path) -> None:
    async with journal_at(path) as journal:
        await journal.settle(number(await journal.claim(intent("a", sum=1))), OK)
        await journal.settle(number(await journal.claim(intent("b", sum=2))), UNKNOWN)
        await journal.settle(number(await journal.claim(intent(None, tool="refund"))), OK)


def numbers(desk: Desk) -> dict[str, int]:
    listed = json.loads(desk.run("journal", "list", "--json").out)["writes"]
    return {write.get("key", "none"): write["id"] for write in listed}


def test_writes_are_listed_the_newest_first(desk: Desk, path: Path) -> None:
    lines = desk.run("journal", "list").out.splitlines()

    assert [line.split("\t")[2:] for line in lines] == [
        ["up__refund", "", "ok", ""],
        ["up__pay", "b", "unknown", "no answer in 1 s"],
        ["up__pay", "a", "ok", ""],
    ]
    assert json.loads(desk.run("journal", "list", "--json").out)["journal"] == str(path)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["--state", "unknown"], ["b"]),
        (["--key", "a"], ["a"]),
        (["--tool", "refund"], [""]),
        (["--upstream", "elsewhere"], []),
        (["--limit", "2"], ["", "b"]),
    ],
)
@pytest.mark.usefixtures("path")
def test_only_some_can_be_asked_for(desk: Desk, wanted: list[str], expected: list[str]) -> None:
    assert [line.split("\t")[3] for line in desk.run("journal", "list", *wanted).out.splitlines()] == expected


@pytest.mark.usefixtures("path")
def test_one_is_shown_with_its_story_and_what_to_do(desk: Desk) -> None:
    write = numbers(desk)["b"]
    ran = desk.run("journal", "show", str(write))

    assert ran.code == 0
    assert ran.out.startswith(f'write {write}: up__pay under the key "b", unknown\n')
    assert "argument_names ['sum']" in ran.out
    assert ran.out.endswith(f"headgate journal resolve {write} --as ok|failed\n")
    assert json.loads(desk.run("journal", "show", str(write), "--json").out)["events"][0]["what"] == "intent"


@pytest.mark.parametrize(("state", "part"), [("ok", "this write was made: seen in the books"), ("failed", "not made")])
def test_a_write_in_doubt_is_settled_by_hand_and_its_key_answers_so(
    desk: Desk, path: Path, state: str, part: str
) -> None:
    write = numbers(desk)["b"]
    ran = desk.run("journal", "resolve", str(write), "--as", state, "--note", "seen in the books")

    async def again() -> str:
        async with journal_at(path) as journal:
            return str(found(await journal.claim(intent("b", sum=2))).ending)

    assert (ran.code, ran.out) == (0, f"write {write} is settled: {state}\n")
    assert part in asyncio.run(again())
    assert "note seen in the books" in desk.run("journal", "show", str(write)).out
    assert desk.run("journal", "verify").code == 0


@pytest.mark.usefixtures("path")
def test_what_is_settled_stays_so(desk: Desk) -> None:
    write = numbers(desk)["a"]
    ran = desk.run("journal", "resolve", str(write), "--as", "failed")

    assert (ran.code, ran.err) == (2, f"headgate: write {write} is settled: ok\n")


@pytest.mark.usefixtures("path")
def test_a_write_that_there_is_none_of_is_told(desk: Desk) -> None:
    ran = desk.run("journal", "show", "99")

    assert ran.code == 2
    assert ran.err.startswith("headgate: there is no write 99 in ")


@pytest.mark.usefixtures("path")
def test_the_record_goes_out_as_json_lines(desk: Desk) -> None:
    lines = [json.loads(line) for line in desk.run("journal", "export").out.splitlines()]

    assert [line["what"] for line in lines] == ["intent", "ok", "intent", "unknown", "intent", "ok"]
    assert all(len(line["hash"]) == 64 for line in lines)
    assert "arguments" not in lines[0]


def test_integers_of_any_size_are_shown_and_go_out(desk: Desk, path: Path) -> None:
    async def note() -> int:
        async with journal_at(path, arguments="full") as journal:
            write = number(await journal.claim(intent("d", sum=2**70 + 1)))
            await journal.settle(write, Ending("ok", {"content": [], "structuredContent": {"left": 10**400}}))
        return write

    shown = json.loads(desk.run("journal", "show", str(asyncio.run(note())), "--json").out)

    assert shown["result"]["structuredContent"] == {"left": 10**400}
    assert shown["events"][0]["arguments"] == {"sum": 2**70 + 1}
    lines = [json.loads(line) for line in desk.run("journal", "export").out.splitlines()]
    assert [line["arguments"] for line in lines if "arguments" in line] == [{"sum": 2**70 + 1}]


def test_a_record_that_was_changed_is_found_out(desk: Desk, path: Path) -> None:
    assert desk.run("journal", "verify").code == 0
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE writes SET state = 'failed' WHERE key = 'a'")
    ran = desk.run("journal", "verify")

    assert (ran.code, ran.out) == (1, "write 1 was changed: its state is not what the chain says\n")


def test_a_journal_that_cannot_be_used_is_put_aside_only_when_asked(desk: Desk, path: Path) -> None:
    assert "nothing to repair" in desk.run("journal", "repair").out
    path.write_bytes(path.read_bytes()[:5000])
    listed = desk.run("journal", "list")
    repaired = desk.run("journal", "repair")

    assert listed.code == 2
    assert "cannot be read" in listed.err
    assert repaired.code == 0
    assert not path.exists()
    (aside,) = path.parent.glob("journal.db.aside-????????")
    assert aside.stat().st_size == 5000
    asyncio.run(fill(path))
    assert desk.run("journal", "verify").code == 0


def test_where_no_write_was_recorded_yet_that_is_said(desk: Desk) -> None:
    desk.writes(desk.project / "headgate.toml", '[headgate]\njournal = "nothing/journal.db"\n')
    ran = desk.run("journal", "list")

    assert ran.code == 2
    assert "no write has been recorded there yet" in ran.err
    assert not (desk.project / "nothing").exists()


def test_without_a_config_the_journal_is_where_it_is_by_default(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    assert str(tmp_path / "state" / "headgate") in desk.run("journal", "list").err


def test_a_journal_in_memory_is_no_file_to_look_into(desk: Desk) -> None:
    desk.writes(desk.project / "headgate.toml", '[headgate]\njournal = "memory"\n')

    assert "kept in memory" in desk.run("journal", "verify").err
