"""Short ways to read a settings text in a test."""

from pathlib import Path

import pytest

from headgate.server.settings import Settings, SettingsError, UpstreamSettings, parse_settings

EVERY_KEY = (Path(__file__).parent / "every_key.toml").read_text(encoding="utf-8")
"""The example file of the contract."""


def read(text: str, **environ: str) -> Settings:
    return parse_settings(text, environ=environ)


def one_upstream(text: str, **environ: str) -> UpstreamSettings:
    """The only upstream of `text`, which need not begin with its header."""
    (upstream,) = read("[upstreams.u]\n" + text, **environ).upstreams.values()
    return upstream


def refusal(text: str, **environ: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        read(text, **environ)
    return caught.value


def told(text: str, **environ: str) -> list[str]:
    """What the user is told of `text`, line by line, without the file's name."""
    return [line.removeprefix("headgate.toml:").lstrip() for line in str(refusal(text, **environ)).split("\n")]
