"""The lock file on the disk."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from headgate.server.cli.fault import one_line
from headgate.server.lock import LockError, read_lock, write_pins
from headgate.server.lock.file import LARGEST_FILE
from headgate.tools.trust import Pin, pin_of


def pin(said: str = "x") -> Pin:
    return pin_of({"name": "look", "description": said}, "read")


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "headgate.lock"


def test_what_is_written_is_read(lock: Path) -> None:
    assert read_lock(lock) == {}

    write_pins(lock, {"up": {"look": pin()}}, accepted=False)

    assert read_lock(lock) == {"up": {"look": pin()}}
    assert [*lock.parent.iterdir()] == [lock]


def test_what_is_new_stands_beside_what_is_there_and_what_is_accepted_over_it(lock: Path) -> None:
    write_pins(lock, {"up": {"look": pin()}, "b": {"look": pin()}}, accepted=False)

    write_pins(lock, {"up": {"look": pin("other"), "new": pin()}}, accepted=False)
    assert read_lock(lock) == {"up": {"look": pin(), "new": pin()}, "b": {"look": pin()}}

    write_pins(lock, {"up": {"look": pin("other")}}, accepted=True)
    assert read_lock(lock) == {"up": {"look": pin("other"), "new": pin()}, "b": {"look": pin()}}


def test_the_file_is_the_same_whatever_comes_first(lock: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.lock"
    for upstream in ("a", "b"):
        write_pins(lock, {upstream: {"look": pin()}}, accepted=False)
    for upstream in ("b", "a"):
        write_pins(other, {upstream: {"look": pin()}}, accepted=False)

    assert lock.read_bytes() == other.read_bytes()


def test_nothing_new_writes_nothing(lock: Path) -> None:
    write_pins(lock, {"up": {"look": pin()}}, accepted=False)
    before = lock.stat().st_mtime_ns

    write_pins(lock, {"up": {"look": pin("other")}}, accepted=False)

    assert lock.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is damaged: Invalid JSON"),
        ("<<<<<<< HEAD", "is damaged: Invalid JSON"),
        ("[]", "is damaged: "),
        ('{"version": 2, "upstreams": {}}', "is damaged: version: "),
        ('{"version": 1, "upstreams": {"a": {"b": {"class": "read", "sha256": "x", "definition": {}}}}}', "sha256: "),
        ("[" * 100_000, "is damaged: Invalid JSON"),
    ],
)
def test_what_is_no_lock_file_is_told_and_left_alone(lock: Path, content: str, told: str) -> None:
    lock.write_text(content, "utf-8")

    with pytest.raises(LockError, match=told.replace("(", "\\(")):
        read_lock(lock)
    with pytest.raises(LockError):
        write_pins(lock, {"up": {"look": pin()}}, accepted=True)

    assert lock.read_text("utf-8") == content


def test_a_damaged_file_is_written_anew_where_that_is_asked_for(lock: Path) -> None:
    lock.write_text("{", "utf-8")

    write_pins(lock, {"up": {"look": pin()}}, accepted=True, anew=True)

    assert read_lock(lock) == {"up": {"look": pin()}}


def test_what_is_not_a_file_or_too_large_is_not_read(lock: Path, tmp_path: Path) -> None:
    with pytest.raises(LockError, match="is not a file"):
        read_lock(tmp_path)
    with lock.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(LockError, match="too large"):
        read_lock(lock)


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes are a thing of POSIX")
def test_a_link_stays_one_and_a_mode_too(lock: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.lock"
    write_pins(real, {"up": {"look": pin()}}, accepted=False)
    real.chmod(0o600)
    lock.symlink_to(real)

    write_pins(lock, {"up": {"new": pin()}}, accepted=False)

    assert lock.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert set(read_lock(real)["up"]) == {"look", "new"}


def test_many_writers_at_once_lose_nothing(lock: Path) -> None:
    writers = [
        threading.Thread(target=write_pins, args=(lock, {f"up{n}": {"look": pin()}}), kwargs={"accepted": False})
        for n in range(8)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(20)

    assert set(read_lock(lock)) == {f"up{n}" for n in range(8)}
    assert [*lock.parent.iterdir()] == [lock]


@pytest.mark.parametrize("ago_s", [3_600, -3_600], ids=["long ago", "by a clock that was set back since"])
def test_a_writer_that_died_in_the_middle_is_not_waited_for(lock: Path, ago_s: float) -> None:
    mark = lock.with_name("headgate.lock.busy")
    mark.touch()
    then = time.time() - ago_s
    os.utime(mark, (then, then))

    write_pins(lock, {"up": {"look": pin()}}, accepted=False)

    assert [*lock.parent.iterdir()] == [lock]


def test_an_upstream_with_too_much_to_say_does_not_make_the_file_too_large_to_be_read(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.server.lock.file.LARGEST_FILE", 20_000)
    pins = {"up": {"look": pin()}, "wordy": {f"tool{number}": pin("x" * 1_000) for number in range(30)}}

    write_pins(lock, pins, accepted=False)

    found = read_lock(lock)
    assert found["up"] == pins["up"]
    hashes = {name: one.sha256 for name, one in found["wordy"].items()}
    assert hashes == {name: one.sha256 for name, one in pins["wordy"].items()}
    assert {str(one.definition) for one in found["wordy"].values()} == {"{}"}

    before = lock.read_bytes()
    with pytest.raises(LockError, match="would become too large"):
        write_pins(lock, {"endless": {f"tool{number}": pin() for number in range(1_000)}}, accepted=False)
    assert lock.read_bytes() == before


def test_a_writer_that_takes_too_long_is_told_of(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.server.lock.file._BUSY_S", 0.0)
    lock.with_name("headgate.lock.busy").touch()

    with pytest.raises(TimeoutError) as broken:
        write_pins(lock, {"up": {"look": pin()}}, accepted=False)

    assert one_line(broken.value) == f"{lock}: another headgate has been writing it for 0 s"


def test_half_a_surrogate_pair_does_no_harm(lock: Path) -> None:
    odd = pin("\ud800")

    write_pins(lock, {"up": {"look": odd, "\udfff": odd}, "ü": {"look": pin("ü")}}, accepted=False)

    found = read_lock(lock)
    assert found["up"]["look"].sha256 == odd.sha256
    assert found["ü"]["look"].definition["description"] == "ü"
