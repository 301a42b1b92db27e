"""From a file to its settings: bytes, text, tables, and on to the checks."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headgate.server.settings.build import Builder
from headgate.server.settings.problems import Findings, Problem, SettingsError
from headgate.server.settings.settings import Settings
from headgate.server.settings.translate import checked

LARGEST_FILE = 1_000_000
"""Bytes. A settings file is written by hand; what is larger is some other file."""

_PLACE = re.compile(r"(?P<reason>.*?) \((?:at line (?P<line>\d+), column \d+|at end of document)\)", re.DOTALL)
_DECLARED = re.compile(r"Cannot declare \((?P<keys>.*)\) twice", re.DOTALL)
_ESCAPE = "in \"…\" a backslash begins an escape: write a path with / or in single quotes, such as 'C:\\Users\\me'"
_JSON = "this looks like JSON: 'headgate init --from FILE' makes a headgate.toml out of a client's config"
_REASONS = {
    "Invalid statement": "this is neither a [table] nor key = value",
    "Invalid value": "this value is missing or malformed; text stands in quotes",
    "Cannot overwrite a value": "this key is set twice",
    "Expected newline or end of document after a statement": "something is left over after the value",
    "Invalid hex value": _ESCAPE,
    "Unescaped '\\' in a string": _ESCAPE,
    "Unterminated string": "a string is not closed",
    "Unclosed array": "a [ is not closed, or a comma is missing",
    "Unclosed inline table": "a { is not closed, or a comma is missing",
}


def load_settings(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in the file at `path`, its variables filled in from `environ` (default: the process's own).

    Raises:
        SettingsError: the file cannot be read or used; with everything that is wrong with it.

    """
    source = str(path)
    settings = parse_settings(_text(path, source), source=source, base=path.absolute().parent, environ=environ)
    return replace(settings, lock=_lock_of(path.absolute()))


def parse_settings(
    text: str,
    *,
    source: str = "headgate.toml",
    base: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings in `text`. `source` is what problems and notices call it; a relative `cwd` is seen from `base`.

    Raises:
        SettingsError: with everything that is wrong, in the order of the file.

    """
    findings = Findings(text, source)
    try:
        file = checked(_tables(text, source), findings)
        return Builder(file, os.environ if environ is None else environ, base, findings).build()
    except RecursionError:
        raise _whole_file("tables or lists are nested too deeply", source) from None


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock") if path.suffix == ".toml" else path.with_name(f"{path.name}.lock")


def _text(path: Path, source: str) -> str:
    try:
        if path.is_dir():
            raise _whole_file("this is a directory; name the file in it", source)
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise _whole_file("there is no such file", source) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise _whole_file(f"cannot be read: {reason or 'this is not a path'}", source) from None
    if len(content) > LARGEST_FILE:
        raise _whole_file("larger than 1 MB; is it a settings file?", source)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError([Problem(line, "", "not UTF-8 text; save the file as UTF-8")], source) from None


def _tables(text: str, source: str) -> dict[str, Any]:
    try:
        text.encode()  # half a surrogate pair passes tomllib, and is nothing that could be printed or sent
        return tomllib.loads(text)
    except UnicodeEncodeError:
        raise _whole_file("not Unicode text; save the file as UTF-8", source) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([_syntax(str(error), text)], source) from None
    except ValueError:  # Python reads no integer of more than 4300 digits
        raise _whole_file("not TOML: a number in it is too long", source) from None


def _whole_file(message: str, source: str) -> SettingsError:
    return SettingsError([Problem(None, "", message)], source)


def _syntax(told: str, text: str) -> Problem:
    if text.lstrip().startswith("{"):
        return Problem(1, "", f"not TOML: {_JSON}")
    found = _PLACE.fullmatch(told)
    if found is None:
        return Problem(None, "", f"not TOML: {_readable(told)}")
    line = int(found["line"]) if found["line"] else text.rstrip("\n").count("\n") + 1
    return Problem(line, "", f"not TOML: {_readable(found['reason'])}")


def _readable(reason: str) -> str:
    declared = _DECLARED.fullmatch(reason)
    if declared:
        return "this table is declared twice"
    if "Illegal character" in reason:
        return "a character that cannot stand here; is a quote missing?"
    return _REASONS.get(reason, reason[:1].lower() + reason[1:])
