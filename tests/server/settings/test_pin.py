"""How tools' definitions are pinned, by the settings."""

from pathlib import Path

from tests.config import write_config

from headgate.server.settings import load_settings, wrap_command


def test_the_nearest_word_on_pins_and_checks_holds(tmp_path: Path) -> None:
    tools = {"look": {"pin": "strict"}, "pay": {"check_arguments": True}}
    shop = {"command": "shop", "pin": "off", "check_arguments": False, "tools": tools}
    rules = load_settings(write_config(tmp_path, {"shop": shop, "other": {"command": "x"}})).upstreams["shop"].rules

    assert (rules.of("look").pin, rules.of("look").check_arguments) == ("strict", False)
    assert (rules.of("pay").pin, rules.of("pay").check_arguments) == ("off", True)
    assert (rules.of("other").pin, rules.of("other").check_arguments) == ("off", False)


def test_tools_are_flagged_and_checked_unless_something_else_is_said(tmp_path: Path) -> None:
    rules = load_settings(write_config(tmp_path, {"shop": {"command": "shop"}})).upstreams["shop"].rules

    assert (rules.of("look").pin, rules.of("look").check_arguments) == ("flag", True)


def test_what_the_operator_declares_is_not_pinned(tmp_path: Path) -> None:
    weather = {"http": "https://api.weather.example", "tools": {"now": {"method": "GET", "path": "/now"}}}
    rules = load_settings(write_config(tmp_path, {"weather": weather})).upstreams["weather"].rules

    assert rules.of("now").pin == "off"


def test_the_lock_file_stands_beside_the_settings_under_their_name(tmp_path: Path) -> None:
    config = write_config(tmp_path, {"shop": {"command": "shop"}})
    assert load_settings(config).lock == tmp_path / "headgate.lock"

    other = config.rename(tmp_path / "settings")
    assert load_settings(other).lock == tmp_path / "settings.lock"


def test_without_settings_there_is_no_lock_file() -> None:
    assert wrap_command("shop", []).lock is None
