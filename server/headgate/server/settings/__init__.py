"""The settings: what an operator wrote in headgate.toml, checked whole and turned into frozen values.

Text goes in and either `Settings` or a `SettingsError` with every problem of the file comes out. Within the package,
`schema` is the file as it may be written, `settings` is what the rest of headgate gets, and the way between them is:
`read` (text to tables), `translate` (what the schema found wrong), `build` (tables to settings), with `merge` for
rules and `target` for places and their secrets.

This package starts nothing and connects to nothing: it does not know whether a command exists, an upstream answers or
a tool is offered. It reads one file and the environment that it is handed.
"""

from headgate.server.settings.find import find_settings
from headgate.server.settings.problems import Problem, SettingsError
from headgate.server.settings.read import load_settings, parse_settings
from headgate.server.settings.settings import HeadgateSettings, Settings, UpstreamSettings
from headgate.server.settings.wrap import wrap_command

__all__ = [
    "HeadgateSettings",
    "Problem",
    "Settings",
    "SettingsError",
    "UpstreamSettings",
    "find_settings",
    "load_settings",
    "parse_settings",
    "wrap_command",
]
