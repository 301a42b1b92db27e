"""headgate.toml while headgate serves: what is changed holds, what is broken changes nothing, no call is dropped."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.config import write_config
from tests.server.gates import ended
from tests.upstreams.record import Record
from tests.upstreams.running import recorder_upstream

from headgate.server.gate import Gate
from headgate.server.opening import open_gate
from headgate.server.reload import Reloader, difference
from headgate.server.settings import parse_settings

RELOADS = int(os.environ.get("HEADGATE_RELOADS", "60"))
"""How often the settings change under load; 1,000 for the full figure."""
LIMIT_S = 60 + RELOADS / 2


class File:
    """A headgate.toml, and the gate that goes by it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "headgate.toml"
        self.log = folder / "log"

    def write(self, upstreams: dict[str, Any], **headgate: Any) -> None:
        write_config(self.path.parent, upstreams, headgate=headgate)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[tuple[Gate, Reloader]]:
        async with asyncio.timeout(LIMIT_S), open_gate(self.path) as gate:
            await gate.settled(20)
            yield gate, Reloader(gate, self.path)


@pytest.fixture
def file(tmp_path: Path) -> File:
    file = File(tmp_path)
    file.write({"rec": recorder_upstream(file.log)})
    return file


def wait(tag: str, ms: int = 0) -> dict[str, Any]:
    return {"id": tag, "tool": "rec__wait", "arguments": {"ms": ms, "tag": tag}}


async def until(condition: Any) -> None:
    while not condition():  # noqa: ASYNC110 - what another process writes down sets no event
        await asyncio.sleep(0.02)


async def test_a_changed_rule_holds_at_once_and_the_session_stays(file: File) -> None:
    async with file.open() as (gate, reloader):
        sessions = gate.upstreams()[0].ready_after_s
        file.write({"rec": recorder_upstream(file.log, tools={"wait": {"timeout": "100ms"}})})

        assert await reloader.reread()
        assert ended(await gate.batch([wait("a", 5_000)])) == {"a": "TOOL_TIMEOUT"}
        assert gate.upstreams()[0].ready_after_s == sessions


async def test_an_upstream_that_is_new_is_opened_and_one_that_is_gone_is_not_listed_any_more(file: File) -> None:
    async with file.open() as (gate, reloader):
        file.write({"other": recorder_upstream(file.log)})
        await reloader.reread()
        await until(lambda: any(tool.qualified == "other__wait" for tool in gate.catalogue().tools))

        assert {tool.upstream for tool in gate.catalogue().tools} == {"other"}
        assert ended(await gate.batch([wait("a")])) == {"a": "UNKNOWN_TOOL"}


async def test_a_call_under_way_ends_on_the_session_that_it_began_on(file: File) -> None:
    async with file.open() as (gate, reloader), asyncio.TaskGroup() as tasks:
        slow = tasks.create_task(gate.batch([wait("slow", 1_000)]))
        await until(lambda: Record(file.log).tags("start") == ["slow"])
        file.write({"rec": recorder_upstream(file.log, env={"OTHER": "1"})})
        await reloader.reread()
        quick = await gate.batch([wait("quick")])

        assert ended(quick) == {"quick": "ok"}
        assert ended(await slow) == {"slow": "ok"}


async def test_a_call_under_way_to_an_upstream_that_is_gone_ends_as_it_would_have(file: File) -> None:
    async with file.open() as (gate, reloader), asyncio.TaskGroup() as tasks:
        slow = tasks.create_task(gate.batch([wait("slow", 500)]))
        await until(lambda: Record(file.log).tags("start") == ["slow"])
        file.write({})
        await reloader.reread()

        assert gate.catalogue().tools == ()
        assert ended(await slow) == {"slow": "ok"}


async def test_the_tokens_of_a_limit_are_not_given_out_again(file: File) -> None:
    limited = {"tools": {"wait": {"rate_limit": "1/min"}}}
    file.write({"rec": recorder_upstream(file.log, **limited)})
    async with file.open() as (gate, reloader):
        await gate.batch([wait("a")])
        file.write({"rec": recorder_upstream(file.log, **limited, timeout="9s")}, max_calls=9)
        await reloader.reread()

        assert ended(await gate.batch([wait("b")], timeout_s=1)) == {"b": "RATE_LIMITED"}


@pytest.mark.parametrize(
    "broken", ["[headgate\n", "[headgate]\nmax_calls = 0\n", "[upstreams.rec]\ncomand = 'x'\n", "\0"], ids=repr
)
async def test_a_bad_file_keeps_the_last_good_settings_and_says_why(
    file: File, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with file.open() as (gate, reloader):
        before = gate.settings
        file.path.write_text(broken, encoding="utf-8")

        assert not await reloader.reread()
        assert gate.settings is before
        assert ended(await gate.batch([wait("a")])) == {"a": "ok"}
    (said,) = [record.message for record in caplog.records if record.name == "headgate.server.reload"]
    assert said.startswith("the settings stay as they were")
    assert "headgate.toml" in said


async def test_a_file_that_is_gone_keeps_the_last_good_settings(file: File) -> None:
    async with file.open() as (gate, reloader):
        file.path.unlink()

        assert not await reloader.reread()
        assert ended(await gate.batch([wait("a")])) == {"a": "ok"}


async def test_a_file_that_says_the_same_changes_nothing(file: File, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with file.open() as (gate, reloader):
        before = gate.settings
        file.path.write_text(file.path.read_text(encoding="utf-8") + "\n# a remark\n", encoding="utf-8")

        assert await reloader.reread()
        assert gate.settings is before
    assert not [record for record in caplog.records if record.name == "headgate.server.reload"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
async def test_sighup_reads_the_file_again(file: File) -> None:
    async with file.open() as (gate, reloader), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(reloader.run())
        await asyncio.sleep(0)
        file.write({"rec": recorder_upstream(file.log)}, max_calls=8)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: gate.settings.headgate.max_calls == 8)
        running.cancel()


async def test_under_load_no_call_is_lost_and_the_last_good_settings_are_in_force(file: File) -> None:
    async with file.open() as (gate, reloader), asyncio.TaskGroup() as tasks:
        lost: list[dict[str, str]] = []
        over = asyncio.Event()

        async def ask() -> int:
            count = 0
            while not over.is_set():
                reply = await gate.batch([wait("a", 5), wait("b", 1)])
                count += 1
                lost.extend([ended(reply)] if reply["outcome"] != "ok" else [])
            return count

        askers = [tasks.create_task(ask()) for _ in range(4)]
        for number in range(1, RELOADS + 1):
            if number % 2:
                file.path.write_text(f"[headgate]\nmax_calls = {number}\n[upstreams.rec", encoding="utf-8")
            else:
                # Every tenth asks for another process.
                env = {"GENERATION": str(number // 10)}
                file.write({"rec": recorder_upstream(file.log, env=env, concurrency=8 + number % 3)}, max_calls=number)
            assert await reloader.reread() is (number % 2 == 0)
        over.set()
        asked = sum(await asyncio.gather(*askers))

    assert lost == []
    assert asked > RELOADS / 10
    assert gate.settings.headgate.max_calls == RELOADS - RELOADS % 2


def test_what_has_changed_is_told_by_name() -> None:
    before = parse_settings("[upstreams.a]\ncommand = 'x'\n[upstreams.b]\ncommand = 'x'\n")
    now = parse_settings("[headgate]\nmax_calls = 9\n[upstreams.b]\ncommand = 'y'\n[upstreams.c]\ncommand = 'x'\n")

    assert difference(before, now) == "new c; gone a; changed b; changed [headgate]"
