"""Which settings file to use."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import platformdirs

from headgate.server.settings.problems import Problem, SettingsError

FILE_NAME = "headgate.toml"


def find_settings(explicit: Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The first of: `explicit` (from --config), HEADGATE_CONFIG, `cwd`/headgate.toml, the user's config folder.

    None if there is none. A relative path is seen from `cwd`, and `~` is the user's home folder.

    Raises:
        SettingsError: the file that --config or HEADGATE_CONFIG names is not there.

    """
    if explicit is not None:
        return _named(explicit, "--config", cwd)
    if named := environ.get("HEADGATE_CONFIG"):
        return _named(Path(named), "HEADGATE_CONFIG", cwd)
    usual = (cwd / FILE_NAME, platformdirs.user_config_path("headgate", appauthor=False) / FILE_NAME)
    return next((path for path in usual if _is_there(path)), None)


def _named(path: Path, where: str, cwd: Path) -> Path:
    with suppress(RuntimeError):  # no such home folder: the path as written is looked for, and its absence told
        path = path.expanduser()
    if not _is_there(cwd / path):
        raise SettingsError([Problem(None, where, f"there is no file {path}")])
    return cwd / path


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return True  # it cannot be looked at: reading it will tell why
