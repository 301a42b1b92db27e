"""Settings for a command, or a fault that says what to do."""

import os
from pathlib import Path
from typing import NoReturn

from headgate.server.cli.fault import Fault
from headgate.server.cli.options import options
from headgate.server.settings import Settings, SettingsError, find_settings, load_settings


def config_file() -> Path:
    """Give the headgate.toml to use, there for sure."""
    try:
        file = find_settings(options().config, os.environ, Path.cwd())
    except SettingsError as error:
        _refuse(error)
    if file is None:
        raise Fault(
            "there is no headgate.toml here or in your config folder: write one with 'headgate init', "
            "or name one with --config PATH"
        )
    return file


def chosen_settings() -> Settings:
    """Load the headgate.toml to use; with everything that is wrong in it at once."""
    try:
        return load_settings(config_file())
    except SettingsError as error:
        _refuse(error)


def _refuse(error: SettingsError) -> NoReturn:
    raise Fault(str(error)) from None
