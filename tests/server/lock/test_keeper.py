"""The lock file and the pins of a running gate, in step."""

import logging
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.server.gates import Shop, tool

from headgate.proxy.connection import Connection, Opening
from headgate.server.gate import Gate
from headgate.server.lock import keeping, read_lock, write_pins
from headgate.server.opening import gate_over
from headgate.server.settings import HeadgateSettings, Settings
from headgate.tools.catalogue import Tool
from headgate.tools.rules import ToolRules, UpstreamRules
from headgate.tools.trust import pin_of

Within = Callable[..., AbstractContextManager[Any]]
FIRST = tool("find", read=True)
OTHER = tool("find", read=True, description="something else")


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "headgate.lock"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("headgate.server.lock.keeper.LOOK_S", 0.02)
    monkeypatch.setattr("headgate.server.lock.keeper.GATHER_S", 0.01)
    return iter([None])


class Changing(Shop):
    """A shop whose tool `find` can be declared anew while it is open."""

    opening: Opening

    @asynccontextmanager
    async def listing(self, opening: Opening) -> AsyncGenerator[Connection]:
        self.opening = opening
        async with self.upstream.open(opening) as connection:
            yield connection

    def declare(self, definition: dict[str, Any]) -> None:
        others = [each for each in self.upstream.definitions if each["name"] != "find"]
        self.upstream.definitions = [*others, definition]
        if hasattr(self, "opening"):
            self.opening.tools_changed()


def changing(definition: dict[str, Any] = FIRST) -> Changing:
    shop = Changing(results={"find": {"content": []}})
    shop.declare(definition)
    return shop


def damaged(lock: Path) -> None:
    lock.write_text("{", "utf-8")


def is_damaged(lock: Path) -> bool:
    return lock.read_text("utf-8") == "{"


def content(lock: Path) -> bytes:
    return lock.read_bytes() if lock.exists() else b""


def removed(lock: Path) -> None:
    lock.unlink()


def mounted(lock: Path) -> None:
    """Put a lock file there as Kubernetes mounts one, and another that `..data` could lead to."""
    for version, definition in (("1", FIRST), ("2", OTHER)):
        folder = lock.parent / version
        folder.mkdir()
        write_pins(folder / lock.name, {"shop": {"find": pin_of(definition, "read")}}, accepted=True)
    (lock.parent / "..data").symlink_to("1")
    lock.symlink_to(f"..data/{lock.name}")


@asynccontextmanager
async def gate_of(lock: Path | None, shop: Changing, rules: UpstreamRules | None = None) -> AsyncGenerator[Gate]:
    settings = Settings(HeadgateSettings(), {})
    openers = {"shop": (rules or UpstreamRules(), shop.listing)}
    async with keeping(lock) as pins, gate_over(settings, openers, pins=pins) as gate:
        await gate.settled(5)
        yield gate


def found(gate: Gate, name: str = "find") -> Tool:
    tool = gate.catalogue().find(name)
    assert isinstance(tool, Tool), tool
    return tool


async def until(true: Callable[[], bool], within: Within) -> None:
    with within():
        while not true():  # noqa: ASYNC110 - what a thread does to a file is told to nobody
            await anyio.sleep(0.01)


async def test_what_is_seen_first_is_written_down_and_believed_again(lock: Path) -> None:
    for _ in range(2):
        async with gate_of(lock, changing()) as gate:
            assert (found(gate).kind, found(gate).flag) == ("read", None)

    assert set(read_lock(lock)["shop"]) == {"look", "pay", "find"}


async def test_what_changed_while_headgate_did_not_run_is_a_write(lock: Path) -> None:
    async with gate_of(lock, changing()):
        pass

    async with gate_of(lock, changing(OTHER)) as gate:
        assert found(gate).kind == "write"
        assert found(gate).reason == "its definition changed since it was trusted, so taken for a write"
        assert found(gate, "look").kind == "read"

    assert read_lock(lock)["shop"]["find"] == pin_of(FIRST, "read")


async def test_what_changes_while_headgate_runs_is_a_write_at_once(lock: Path, within: Within) -> None:
    shop = changing(tool("find", read=False))
    async with gate_of(lock, shop) as gate:
        shop.declare(FIRST)
        await until(lambda: found(gate).flag is not None, within)

        assert found(gate).kind == "write"
        assert found(gate).definition == FIRST


async def test_without_a_file_a_change_is_noticed_for_as_long_as_headgate_runs(within: Within) -> None:
    shop = changing()
    async with gate_of(None, shop) as gate:
        shop.declare(OTHER)
        await until(lambda: found(gate).kind == "write", within)

        assert found(gate).flag == "its definition changed since it was first seen"


async def test_an_operator_has_the_last_word_and_the_flag_is_still_shown(lock: Path) -> None:
    async with gate_of(lock, changing()):
        pass

    rules = UpstreamRules(tools={"find": ToolRules(kind="read")})
    async with gate_of(lock, changing(OTHER), rules) as gate:
        assert found(gate).kind == "read"
        assert found(gate).reason == "set in headgate.toml; its definition changed since it was trusted"


async def test_what_is_accepted_is_believed_without_a_restart(lock: Path, within: Within) -> None:
    async with gate_of(lock, changing()):
        pass
    told: list[int] = []

    async with gate_of(lock, changing(OTHER)) as gate:
        gate.watch(lambda: told.append(1))
        write_pins(lock, {"shop": {"find": pin_of(OTHER, "read")}}, accepted=True)
        await until(lambda: found(gate).kind == "read", within)

    assert told == [1]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
async def test_what_is_accepted_elsewhere_is_believed_once_a_link_leads_there(lock: Path, within: Within) -> None:
    mounted(lock)

    async with gate_of(lock, changing(OTHER)) as gate:
        assert found(gate).kind == "write"
        (lock.parent / "..data_tmp").symlink_to("2")
        (lock.parent / "..data_tmp").replace(lock.parent / "..data")
        await until(lambda: found(gate).kind == "read", within)


async def test_under_strict_only_what_was_accepted_can_be_called(lock: Path, within: Within) -> None:
    rules = UpstreamRules(every_tool=ToolRules(pin="strict"))
    async with gate_of(lock, changing(), rules) as gate:
        assert (await gate.batch([{"tool": "find"}]))["results"][0]["error_code"] == "DENIED"

        write_pins(lock, {"shop": {"find": pin_of(FIRST, "read")}}, accepted=True)
        await until(lambda: found(gate).denied is None, within)

        assert (await gate.batch([{"tool": "find"}]))["outcome"] == "ok"
        assert (await gate.batch([{"tool": "look"}]))["results"][0]["error_code"] == "DENIED"


async def test_a_damaged_file_makes_writes_of_what_was_annotated_and_is_left_alone(
    lock: Path, caplog: pytest.LogCaptureFixture, within: Within
) -> None:
    damaged(lock)
    with caplog.at_level(logging.WARNING):
        async with gate_of(lock, changing()) as gate:
            assert found(gate).kind == "write"
            assert "headgate.lock cannot be read" in found(gate).reason
            assert (await gate.batch([{"tool": "find"}]))["outcome"] == "ok"
            assert is_damaged(lock)

            removed(lock)
            await until(lambda: found(gate).kind == "read", within)

    (said,) = [record.message for record in caplog.records if "is damaged" in record.message]
    assert said.startswith(f"{lock} is damaged: Invalid JSON: ")
    assert said.endswith("Restore it, or have it written anew with: headgate trust --all")
    assert set(read_lock(lock)["shop"]) == {"look", "pay", "find"}


async def test_a_file_that_is_taken_away_meanwhile_is_written_again_and_nothing_is_accepted_by_that(
    lock: Path, within: Within
) -> None:
    async with gate_of(lock, changing()):
        pass
    async with gate_of(lock, changing(OTHER)) as gate:
        before = content(lock)
        removed(lock)
        await until(lambda: content(lock) == before, within)
        await anyio.sleep(0.1)

        assert found(gate).kind == "write"
    assert content(lock) == before


async def test_a_file_that_cannot_be_written_is_told_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, within: Within
) -> None:
    shop = changing()
    with caplog.at_level(logging.WARNING):
        async with gate_of(tmp_path / "nowhere" / "headgate.lock", shop) as gate:
            shop.declare(tool("more", read=True))
            await until(lambda: isinstance(gate.catalogue().find("more"), Tool), within)
            assert found(gate, "more").kind == "read"

    (said,) = [record.message for record in caplog.records if "cannot be written" in record.message]
    assert "No such file or directory" in said


async def test_the_context_ends_with_its_own_error(lock: Path) -> None:
    with pytest.raises(KeyError):
        async with gate_of(lock, changing()):
            raise KeyError
