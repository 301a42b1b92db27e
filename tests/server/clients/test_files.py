"""A client's file is replaced whole or not at all."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from headgate.server.clients.edits import ConfigError
from headgate.server.clients.files import read, replace

NOW = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_the_old_text_is_in_the_backup_and_the_new_one_in_its_place(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("old", "utf-8")
    backup = replace(file, "old", "new\r\n", now=NOW)
    assert file.read_bytes() == b"new\r\n"
    assert backup
    assert backup == tmp_path / "mcp.json.20260301-123005.bak"
    assert read(backup) == "old"
    assert names(tmp_path) == ["mcp.json", "mcp.json.20260301-123005.bak"]


def test_a_second_backup_in_the_same_second_does_not_replace_the_first(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("one", "utf-8")
    replace(file, "one", "two", now=NOW)
    backup = replace(file, "two", "three", now=NOW)
    assert backup == tmp_path / "mcp.json.20260301-123005-2.bak"


def test_the_mode_stays(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("old", "utf-8")
    file.chmod(0o640)
    backup = replace(file, "old", "new", now=NOW)
    assert file.stat().st_mode & 0o777 == 0o640
    assert backup
    assert backup.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("before", [None, "old"])
def test_a_private_file_is_its_owner_s_alone(tmp_path: Path, before: str | None) -> None:
    file = tmp_path / "mcp.json"
    if before:
        file.write_text(before, "utf-8")
        file.chmod(0o644)
    replace(file, before, "new", now=NOW, private=True)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "mcp.json"
    real.parent.mkdir()
    real.write_text("old", "utf-8")
    link = tmp_path / "mcp.json"
    link.symlink_to(real)
    replace(link, "old", "new", now=NOW)
    assert link.is_symlink()
    assert real.read_text("utf-8") == "new"


def test_a_missing_file_is_made_with_its_folder_and_without_a_backup(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "mcp.json"
    assert read(file) is None
    assert replace(file, None, "new", now=NOW) is None
    assert read(file) == "new"


def test_what_the_client_wrote_meanwhile_is_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("the client's newer text", "utf-8")
    with pytest.raises(ConfigError, match="changed while headgate was at it"):
        replace(file, "old", "new", now=NOW)
    assert names(tmp_path) == ["mcp.json"]
    assert read(file) == "the client's newer text"


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_bytes(b"\xff\xfe{")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        read(file)
