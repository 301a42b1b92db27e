"""Where writes are recorded."""

from pathlib import Path

import platformdirs
import pytest
from tests.server.settings.reading import read, told

from headgate.server.settings import parse_settings


def test_without_a_word_it_is_a_file_among_the_users_own() -> None:
    expected = platformdirs.user_state_path("headgate", appauthor=False) / "journal.db"

    assert read("").headgate.journal == expected


def test_it_can_be_kept_in_memory() -> None:
    assert read("[headgate]\njournal = 'memory'").headgate.journal is None


def test_a_relative_path_is_seen_from_the_folder_of_the_config(tmp_path: Path) -> None:
    settings = parse_settings("[headgate]\njournal = 'j.db'", environ={}, base=tmp_path)

    assert settings.headgate.journal == tmp_path / "j.db"


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("USERPROFILE", "/home/somebody")

    assert read("[headgate]\njournal = '~/j.db'").headgate.journal == Path("/home/somebody/j.db")


@pytest.mark.parametrize("written", ["", "  ", "a\\u0000b"])
def test_what_is_no_path_is_refused(written: str) -> None:
    (line,) = told(f'[headgate]\njournal = "{written}"')

    assert line.startswith("2: headgate.journal: this is no path")
