"""How headgate notices that headgate.toml is another, by whatever means it has become so."""

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headgate.server.gate import Gate
from headgate.server.opening import open_gate
from headgate.server.reload import reloading

BOUND_S = 20
links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")


def content(max_calls: int) -> str:
    return f"[headgate]\njournal = 'memory'\nmax_calls = {max_calls}\n"


def write(path: Path, max_calls: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content(max_calls), encoding="utf-8")


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.server.reload.LOOK_S", 0.02)
    monkeypatch.setattr("headgate.server.reload.SETTLE_S", 0.05)


@asynccontextmanager
async def serving(path: Path) -> AsyncGenerator[Gate]:
    async with asyncio.timeout(BOUND_S), open_gate(path) as gate, reloading(gate):
        yield gate


async def has_become(gate: Gate, max_calls: int) -> None:
    while gate.settings.headgate.max_calls != max_calls:  # noqa: ASYNC110 - another task's doing
        await asyncio.sleep(0.01)


async def looks(count: int = 20) -> None:
    """Let it look again and again."""
    await asyncio.sleep(count * 0.02 + 0.1)


def mounted(folder: Path, max_calls: int, name: str = "..2026_11_21_08_00_00.1") -> Path:
    """A folder as Kubernetes mounts a ConfigMap: `headgate.toml -> ..data/headgate.toml`, `..data -> ..TIME`."""
    write(folder / name / "headgate.toml", max_calls)
    (folder / "..data").symlink_to(name)
    path = folder / "headgate.toml"
    path.symlink_to(Path("..data") / "headgate.toml")
    return path


def swap(folder: Path, max_calls: int, name: str) -> None:
    """What the kubelet does: a new folder, `..data` renamed over to lead there, the old folder removed."""
    old = (folder / "..data").resolve()
    write(folder / name / "headgate.toml", max_calls)
    (folder / "..data_tmp").symlink_to(name)
    (folder / "..data_tmp").replace(folder / "..data")
    shutil.rmtree(old)


@links
@pytest.mark.usefixtures("often")
async def test_a_config_map_that_is_swapped_is_noticed_each_time(tmp_path: Path) -> None:
    path = mounted(tmp_path, 1)
    async with serving(path) as gate:
        for number in range(2, 6):
            swap(tmp_path, number, f"..2026_11_21_08_00_00.{number}")
            await has_become(gate, number)
            await looks(5)


@links
async def test_it_is_noticed_within_a_few_seconds(tmp_path: Path) -> None:
    path = mounted(tmp_path, 1)
    async with serving(path) as gate:
        await asyncio.sleep(2.5)
        swap(tmp_path, 2, "..2")
        async with asyncio.timeout(5):
            await has_become(gate, 2)


@links
@pytest.mark.usefixtures("often")
async def test_a_folder_on_the_way_that_leads_elsewhere_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "releases" / "1" / "conf" / "headgate.toml", 1)
    write(tmp_path / "releases" / "2" / "conf" / "headgate.toml", 2)
    (tmp_path / "current").symlink_to("releases/1")
    async with serving(tmp_path / "current" / "conf" / "headgate.toml") as gate:
        await looks()
        (tmp_path / "next").symlink_to("releases/2")
        (tmp_path / "next").replace(tmp_path / "current")
        await has_become(gate, 2)


def renamed_over(path: Path) -> None:
    write(path.with_name("other"), 2)
    path.with_name("other").replace(path)


def renamed_over_with_the_same_times(path: Path) -> None:
    before = path.stat()
    other = path.with_name("other")
    write(other, 2)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def written_in_place(path: Path) -> None:
    write(path, 2)


def moved_away_first(path: Path) -> None:
    path.replace(path.with_name("headgate.toml~"))
    write(path, 2)


def copied_over_with_the_same_times(path: Path) -> None:
    before = path.stat()
    write(path, 2)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        renamed_over,
        written_in_place,
        moved_away_first,
        pytest.param(renamed_over_with_the_same_times, marks=links),
        pytest.param(copied_over_with_the_same_times, marks=links),
    ],
)
@pytest.mark.usefixtures("often")
async def test_a_file_is_noticed_however_an_editor_writes_it(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "headgate.toml"
    write(path, 1)
    async with serving(path) as gate:
        await looks()
        change(path)
        await has_become(gate, 2)


@pytest.mark.usefixtures("often")
async def test_a_file_that_is_deleted_and_made_again_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "conf" / "headgate.toml"
    write(path, 1)
    async with serving(path) as gate:
        await looks()
        shutil.rmtree(path.parent)
        await looks()
        assert gate.settings.headgate.max_calls == 1
        assert caplog.text.count("there is no such file") == 1
        write(path, 2)
        await has_become(gate, 2)


@pytest.mark.usefixtures("often")
async def test_a_change_between_the_reading_at_the_start_and_the_first_look_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "headgate.toml"
    write(path, 1)
    async with asyncio.timeout(BOUND_S), open_gate(path) as gate:
        write(path, 2)
        async with reloading(gate):
            await has_become(gate, 2)


@pytest.mark.usefixtures("often")
async def test_a_file_that_is_written_in_steps_is_read_once_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("headgate.server.reload.SETTLE_S", 0.5)
    path = tmp_path / "headgate.toml"
    write(path, 1)
    async with serving(path) as gate:
        await looks()
        await asyncio.sleep(0.5)
        for end in range(0, len(content(2)), 10):
            path.write_text(content(2)[:end], encoding="utf-8")
            await asyncio.sleep(0.01)
        write(path, 2)
        await has_become(gate, 2)
    assert "the settings stay as they were" not in caplog.text


@links
@pytest.mark.usefixtures("often")
async def test_nothing_is_reloaded_where_the_content_is_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = mounted(tmp_path, 1)
    async with serving(path) as gate:
        before = gate.settings
        for number in range(3):
            swap(tmp_path, 1, f"..{number}")
            await looks()
        (tmp_path / "notes.txt").write_text("something else in the folder", encoding="utf-8")
        os.utime(path)
        await looks()
        assert gate.settings is before
    assert not [record for record in caplog.records if record.name == "headgate.server.reload"]


@pytest.mark.usefixtures("often")
async def test_a_bad_file_is_told_once_and_nothing_holds_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "headgate.toml"
    write(path, 1)
    async with serving(path) as gate:
        await looks()
        path.write_text("[headgate\n", encoding="utf-8")
        while "the settings stay as they were" not in caplog.text:  # noqa: ASYNC110 - the log sets no event
            await asyncio.sleep(0.01)
        await looks()
        assert caplog.text.count("the settings stay as they were") == 1
        write(path, 2)
        await has_become(gate, 2)
