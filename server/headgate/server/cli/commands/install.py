"""`headgate install`: headgate put into a client's config, and nothing else in it changed."""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
import tomlkit

from headgate.server.cli.config import config_file
from headgate.server.cli.diff import shown
from headgate.server.cli.fault import Fault
from headgate.server.cli.machine import own_command, this_machine
from headgate.server.clients import files
from headgate.server.clients.edits import ConfigError, parse, table, with_server, without_server
from headgate.server.clients.places import CLIENTS, Client, Scope
from headgate.server.clients.variables import references

_UV_CACHE = re.compile(r"[/\\](archive|environments)-v[0-9]+[/\\]")


@click.command()
@click.argument("client", type=click.Choice([client.slug for client in CLIENTS]), metavar="CLIENT")
@click.option("--name", default="headgate", metavar="NAME", help="What the client calls it.  [headgate]")
@click.option(
    "--scope",
    type=click.Choice(["user", "project"]),
    default="user",
    help="For all your projects (the default), or the client's file in this folder.",
)
@click.option(
    "--env", multiple=True, metavar="NAME[=VALUE]", help="Set a variable for headgate; NAME alone takes its value here."
)
@click.option("--dry-run", is_flag=True, help="Show what would change and write nothing.")
@click.option("--undo", is_flag=True, help="Take headgate out again, and leave everything else as it is.")
def install(client: str, name: str, scope: Scope, *, env: tuple[str, ...], dry_run: bool, undo: bool) -> None:
    """Put headgate into the config of CLIENT, keeping a backup and everything else that is in it.

    CLIENT is claude-desktop, claude-code, cursor, vscode, windsurf, codex, gemini or zed.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise Fault(f"--name {name!r}: use letters, digits, - and _")
    chosen = next(each for each in CLIENTS if each.slug == client)
    if undo:
        _undo(_file_of(chosen, scope), chosen, name, dry_run=dry_run)
        return
    config = config_file().absolute()
    variables = dict(_variable(text) for text in env)
    lacking = [variable for variable in _wanted(config) if variable not in variables]
    entry = _entry(config, variables, typed=chosen.typed)
    if chosen.forwards and lacking:
        entry[chosen.forwards], lacking = lacking, []
    change = _planned(chosen, scope, name, entry)
    if change.after == change.before:
        click.echo(f"headgate is there already: nothing to change in {change.file}")
    elif dry_run:
        click.echo(shown(change.before or "", change.after, parse(change.after, change.file), str(change.file)))
    else:
        _write(change)
        _tell(chosen, change, lacking)
        if scope == "project":
            click.echo("This file now holds paths of this machine: keep it out of version control.")
        click.echo(f"Next: {chosen.reload}")


@dataclass(frozen=True, slots=True)
class _Change:
    """What goes into which file."""

    file: Path
    before: str | None
    after: str
    others: int
    """Servers that the client starts itself."""


def _file_of(client: Client, scope: Scope) -> Path:
    file = client.file_to_write(this_machine(), scope)
    if file is None:
        raise Fault(f"{client.title} has no config of its own in a project: leave out --scope project")
    return file


def _undo(file: Path, client: Client, name: str, *, dry_run: bool) -> None:
    try:
        before = files.read(file)
        after = "" if before is None else without_server(before, file, client.key, name)
    except ConfigError as wrong:
        raise Fault(f"{wrong}. Nothing was changed") from None
    if before is None or after == before:
        click.echo(f"headgate is not there: nothing to change in {file}")
    elif dry_run:
        click.echo(shown(before, after, parse(after, file), str(file)))
    else:
        _write(_Change(file, before, after, 0), done="Took headgate out of")
        click.echo(f"Next: {client.reload}")


def _planned(client: Client, scope: Scope, name: str, entry: Mapping[str, object]) -> _Change:
    file = _file_of(client, scope)
    try:
        before = files.read(file)
        after = with_server(before or "", file, client.key, name, entry)
    except ConfigError as wrong:
        by_hand = f"{wrong}. Nothing was changed; to do it by hand, put this in:"
        raise Fault(by_hand, _snippet(client, file, name, entry)) from None
    others = table(parse(after, file).get(client.key)).keys() - {name}
    return _Change(file, before, after, len(others))


def _entry(config: Path, variables: Mapping[str, str], *, typed: bool) -> dict[str, object]:
    """The client's entry for headgate, by full paths: clients start it from anywhere."""
    command, *args = own_command(sys.argv[0], sys.executable)
    entry: dict[str, object] = {"type": "stdio"} if typed else {}
    entry |= {"command": command, "args": [*args, "serve", "--config", str(config)]}
    return entry | ({"env": dict(variables)} if variables else {})


def _variable(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not given and name not in os.environ:
        raise Fault(f"--env {name}: it is not set here: write --env {name}=VALUE")
    return name, value if given else os.environ[name]


def _snippet(client: Client, file: Path, name: str, entry: Mapping[str, object]) -> str:
    content = {client.key: {name: entry}}
    return tomlkit.dumps(content) if file.suffix == ".toml" else json.dumps(content, indent=2, ensure_ascii=False)


def _write(change: _Change, done: str = "Put headgate into") -> None:
    try:
        backup = files.replace(change.file, change.before, change.after, now=datetime.now().astimezone())
    except ConfigError as wrong:
        raise Fault(str(wrong)) from None
    if backup:
        click.echo(f"{done} {change.file}\nThe file as it was: {backup}")
    else:
        click.echo(f"Made {change.file} with headgate in it")


def _tell(client: Client, change: _Change, lacking: Sequence[str]) -> None:
    if change.others:
        click.echo(
            f"{client.title} still starts its other servers itself, {change.others} in all. Take those that are in "
            "headgate.toml too out there, so that the agent sees each tool once."
        )
    if lacking:
        click.echo(
            f"headgate.toml takes {', '.join(lacking)} from the environment, and {client.title} may not hand that on. "
            f"If so: headgate install {client.slug} {' '.join(f'--env {name}' for name in lacking)}"
        )
    if _UV_CACHE.search(sys.executable):
        click.echo("This headgate runs out of uv's cache, which is cleaned at times: 'uv tool install headgate' lasts.")


def _wanted(config: Path) -> tuple[str, ...]:
    return tuple(dict.fromkeys(references(config.read_text("utf-8", errors="replace"))))
