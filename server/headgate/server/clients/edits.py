"""A client's config text with one server put in, and everything else in it as it was."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import PurePath
from typing import cast

import tomlkit
from tomlkit.exceptions import TOMLKitError

from headgate.server.clients import jsonc


class ConfigError(ValueError):
    """A client's config that cannot be read, or not be changed safely. Its text says what is wrong with it."""


def parse(text: str, file: PurePath) -> Mapping[str, object]:
    """Content of a client's config, TOML or JSON by the file's name."""
    try:
        value = tomllib.loads(text) if file.suffix == ".toml" else jsonc.loads(text)
    except ValueError as wrong:
        raise ConfigError(f"{file} is not valid {_language(file)}: {wrong}") from wrong
    except RecursionError:
        raise ConfigError(f"{file} is nested too deeply") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{file} holds no {_language(file)} object")
    return cast("dict[str, object]", value)


def with_server(text: str, file: PurePath, key: str, name: str, entry: Mapping[str, object]) -> str:
    """`text` with the server `name` in it. Keys of an entry that is already there stay, unless `entry` has them."""
    before = parse(text, file)
    if not isinstance(before.get(key, {}), dict):
        raise ConfigError(f"{file}: {key} is not an object")
    servers = table(before.get(key))
    present = table(servers.get(name))
    if name in servers and "command" not in present:
        raise ConfigError(f"{file} has another kind of server called {name!r}: choose another name")
    change = {item: value for item, value in entry.items() if present.get(item) != value}
    if not change:
        return text
    after = dict(before) | {key: servers | {name: present | change}}
    put = _in_toml if file.suffix == ".toml" else _in_json
    changed = put(text, file, key, name, change)
    if parse(changed, file) != after:
        raise ConfigError(f"{file} is laid out in a way that headgate cannot change safely")
    return changed


def without_server(text: str, file: PurePath, key: str, name: str) -> str:
    """`text` without the server `name`, which may not be in it, and with everything else as it is."""
    before = parse(text, file)
    servers = table(before.get(key))
    if name not in servers:
        return text
    if "command" not in table(servers[name]):
        raise ConfigError(f"{file} has another kind of server called {name!r}: it was not put there by headgate")
    after = dict(before) | {key: {other: entry for other, entry in servers.items() if other != name}}
    changed = _out_of_toml(text, key, name) if file.suffix == ".toml" else jsonc.remove_member(text, (key, name))
    if parse(changed, file) not in (after, {item: value for item, value in after.items() if item != key or value}):
        raise ConfigError(f"{file} is laid out in a way that headgate cannot change safely")
    return changed


def table(value: object) -> dict[str, object]:
    """`value` where it is an object, else an empty one."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _in_json(text: str, file: PurePath, key: str, name: str, change: Mapping[str, object]) -> str:
    try:
        if name not in table(parse(text, file).get(key)):
            return jsonc.set_member(text, (key, name), dict(change))
        for item, value in change.items():
            text = jsonc.set_member(text, (key, name, item), value)
    except jsonc.JsoncError as wrong:
        raise ConfigError(f"{file} cannot be changed: {wrong}") from wrong
    return text


def _in_toml(text: str, file: PurePath, key: str, name: str, change: Mapping[str, object]) -> str:
    try:
        document = tomlkit.parse(text)
        servers = document.setdefault(key, tomlkit.table(is_super_table=True))
        new = name not in servers
        entry = servers.setdefault(name, tomlkit.table())
        for item, value in change.items():
            entry[item] = value
        if new:
            entry.add(tomlkit.nl())
        changed = tomlkit.dumps(document)
    except (TOMLKitError, ValueError) as wrong:
        raise ConfigError(f"{file} cannot be changed: {wrong}") from wrong
    if new:  # tomlkit sets a table right below what is there; people leave a line between
        header = re.escape(f"[{key}.{name}]")
        changed = re.sub(rf"(?<=[^\n])\n(?={header})", "\n\n", changed)
    if not text.endswith("\n\n"):
        changed = re.sub(r"\n+\Z", "\n", changed)
    return re.sub(r"(?<!\r)\n", "\r\n", changed) if "\r\n" in text else changed


def _out_of_toml(text: str, key: str, name: str) -> str:
    document = tomlkit.parse(text)
    table(document[key]).pop(name)
    changed = tomlkit.dumps(document)
    return re.sub(r"(?<!\r)\n", "\r\n", changed) if "\r\n" in text else changed


def _language(file: PurePath) -> str:
    return "TOML" if file.suffix == ".toml" else "JSON"
