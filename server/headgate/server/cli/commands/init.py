"""`headgate init`: a headgate.toml out of the MCP servers that a user's clients have."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click

from headgate.server.cli.fault import Fault
from headgate.server.cli.gather import Gathered, gather
from headgate.server.cli.machine import this_machine
from headgate.server.cli.options import options
from headgate.server.cli.starter import starter
from headgate.server.clients import files
from headgate.server.clients.edits import ConfigError
from headgate.server.clients.entries import FoundServer
from headgate.server.clients.places import CLIENTS
from headgate.server.clients.variables import references, texts
from headgate.server.clients.withheld import Withheld
from headgate.server.settings import SettingsError, parse_settings


@click.command()
@click.option(
    "--from", "origin", metavar="CLIENT|FILE", help=f"Only these servers: {', '.join(c.slug for c in CLIENTS)}, a file."
)
@click.option("--output", type=click.Path(path_type=Path), metavar="PATH", help="Default: --config, ./headgate.toml.")
@click.option("--copy-secrets", is_flag=True, help="Copy tokens and passwords instead of referring to variables.")
@click.option("--force", is_flag=True, help="Replace a file that is there; a backup is kept.")
@click.option("--dry-run", is_flag=True, help="Print the file and write nothing.")
def init(origin: str | None, output: Path | None, *, copy_secrets: bool, force: bool, dry_run: bool) -> None:
    """Write headgate.toml from the MCP servers that your clients have, or a starter file if there are none."""
    output = output or options().config or Path("headgate.toml")
    if not dry_run and not force and output.exists():
        raise Fault(
            f"{output} is there already: --force replaces it, --output PATH writes another, --dry-run only shows"
        )
    gathered = gather(origin, this_machine())
    withheld = Withheld()
    servers = gathered.servers
    if not copy_secrets:
        servers = tuple(replace(s, target=withheld.without(s.name, s.target)) for s in servers)
    text = starter(servers)
    if dry_run:
        click.echo(text, nl=False)
    else:
        _write(output, text, private=copy_secrets)
    _tell(gathered, err=dry_run)
    _tell_faults(text, output)
    _tell_written(output, servers, withheld, dry_run=dry_run)


def _write(output: Path, text: str, *, private: bool) -> None:
    try:
        backup = files.replace(output, files.read(output), text, now=datetime.now().astimezone(), private=private)
    except ConfigError as wrong:
        raise Fault(str(wrong)) from None
    if backup:
        click.echo(f"The old file is kept as {backup}")


def _tell(gathered: Gathered, *, err: bool) -> None:
    if gathered.sources:
        click.echo("Found:", err=err)
        width = max(len(source.title) for source in gathered.sources)
        for source in gathered.sources:
            names = ", ".join(source.servers) or "no servers"
            click.echo(f"  {source.title:{width}}  {names}  ({source.file})", err=err)
    _list("Note:", gathered.notes, err=err)


def _tell_faults(text: str, output: Path) -> None:
    """Read the file back: what a client let pass may be nothing that can be started or called."""
    environ = dict.fromkeys(references(text), "set")
    try:
        parse_settings(text, source=str(output), environ=environ)
    except SettingsError as wrong:
        _list("To be mended by hand:", str(wrong).splitlines(), err=True)


def _tell_written(output: Path, servers: Sequence[FoundServer], withheld: Withheld, *, dry_run: bool) -> None:
    if dry_run:
        click.echo(f"Nothing was written; without --dry-run this goes to {output}", err=True)
    elif servers:
        names = ", ".join(server.name for server in servers)
        click.echo(f"Wrote {output} with {len(servers)} upstream{'' if len(servers) == 1 else 's'}: {names}")
    else:
        click.echo(f"Found no MCP servers. Wrote {output} with examples in comments: put a server in.")
    _list("Set these variables where headgate is started:", _wanted(servers, withheld), err=dry_run)
    if withheld.values:
        click.echo(
            "Their values stay in the files above. To have them copied: headgate init --copy-secrets", err=dry_run
        )
    if not dry_run:
        named = "" if output == Path("headgate.toml") else f" --config {output}"
        click.echo(f"Next: headgate check --connect{named}, then headgate install CLIENT{named}")


def _wanted(servers: Sequence[FoundServer], withheld: Withheld) -> list[str]:
    users: dict[str, list[str]] = {}
    for server in servers:
        for text in texts(server.target):
            for name in references(text):
                users.setdefault(name, []).append(server.name)
    width = max(map(len, users), default=0)
    return [f"{name:{width}}  for {_names(users[name])}{_state(name, withheld)}" for name in users]


def _state(name: str, withheld: Withheld) -> str:
    if name not in os.environ:
        return ""
    known = withheld.values.get(name)
    return " (set here, to another value)" if known and known != os.environ[name] else " (set here)"


def _names(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _list(title: str, lines: Iterable[str], *, err: bool) -> None:
    lines = list(lines)
    if lines:
        click.echo(title, err=err)
        for line in lines:
            click.echo(f"  {line}", err=err)
