"""Which settings file is used."""

import sys
from pathlib import Path

import pytest

from headgate.server.settings import SettingsError, find_settings, load_settings


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to start in, beside a home with an empty config folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "headgate").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "cwd").mkdir()
    return tmp_path / "cwd"


def _file(path: Path) -> Path:
    path.touch()
    return path


def test_without_any_file_there_is_none(cwd: Path) -> None:
    assert find_settings(None, {"HEADGATE_CONFIG": ""}, cwd) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the config folder is set by a variable on Linux only")
def test_the_nearest_said_file_wins(cwd: Path) -> None:
    users = _file(cwd.parent / "config" / "headgate" / "headgate.toml")
    assert find_settings(None, {}, cwd) == users
    here = _file(cwd / "headgate.toml")
    assert find_settings(None, {}, cwd) == here
    named = _file(cwd / "other.toml")
    assert find_settings(None, {"HEADGATE_CONFIG": "other.toml"}, cwd) == named
    explicit = _file(cwd / "explicit.toml")
    assert find_settings(Path("explicit.toml"), {"HEADGATE_CONFIG": "other.toml"}, cwd) == explicit


def test_a_tilde_is_home_even_where_no_shell_has_seen_it(cwd: Path) -> None:
    path = _file(cwd.parent / "home" / "h.toml")

    assert find_settings(None, {"HEADGATE_CONFIG": "~/h.toml"}, cwd) == path


@pytest.mark.parametrize("missing", ["none.toml", "~no-such-user/h.toml"])
def test_a_named_file_that_is_missing_is_told_with_who_named_it(cwd: Path, missing: str) -> None:
    _file(cwd / "headgate.toml")

    with pytest.raises(SettingsError) as by_option:
        find_settings(Path(missing), {}, cwd)
    with pytest.raises(SettingsError) as by_variable:
        find_settings(None, {"HEADGATE_CONFIG": missing}, cwd)

    assert str(by_option.value) == f"--config: there is no file {missing}"
    assert str(by_variable.value) == f"HEADGATE_CONFIG: there is no file {missing}"


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_name_that_no_file_can_have_is_told_by_the_finding_or_the_reading(cwd: Path, name: str) -> None:
    with pytest.raises(SettingsError):
        load_settings(find_settings(Path(name), {}, cwd) or cwd)
