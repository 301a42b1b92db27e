"""The MCP servers that a user has, from every client or from one, each once and under a name of headgate's."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from headgate.server.cli.fault import Fault
from headgate.server.clients.edits import ConfigError
from headgate.server.clients.entries import Found, FoundServer, read_servers
from headgate.server.clients.files import read
from headgate.server.clients.places import CLIENTS, Client, Machine

_NAME_LIMIT = 24


@dataclass(frozen=True, slots=True)
class Source:
    """One config file that was read, and the servers in it as their client calls them."""

    title: str
    file: Path
    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything that was found. Servers have names that headgate.toml takes, no two alike."""

    sources: tuple[Source, ...] = ()
    servers: tuple[FoundServer, ...] = ()
    notes: tuple[str, ...] = ()


def gather(origin: str | None, machine: Machine) -> Gathered:
    """Read what `origin` names: a client, a file, or all clients. A broken file is a fault only if it was named."""
    sources: list[Source] = []
    found: list[FoundServer] = []
    notes: list[str] = []
    for title, file, project in _files(origin, machine):
        try:
            content = _read(file, title, machine, project=project)
        except ConfigError as wrong:
            if origin is not None:
                raise Fault(str(wrong)) from None
            notes.append(f"left out: {wrong}")
            continue
        sources.append(Source(title, file, tuple(server.name for server in content.servers)))
        found.extend(content.servers)
        notes.extend(content.notes)
    named, told = _named(found)
    return Gathered(tuple(sources), named, (*notes, *told))


def _files(origin: str | None, machine: Machine) -> Iterator[tuple[str, Path, bool]]:
    client = next((client for client in CLIENTS if client.slug == origin), None)
    if origin is None:
        for each in CLIENTS:
            yield from _present(each, machine)
    elif client:
        present = list(_present(client, machine))
        if not present:
            places = ", ".join(str(file) for scope in ("user", "project") for file in client.files(machine, scope))
            raise Fault(f"{client.title} has no config here; looked for {places}")
        yield from present
    elif Path(origin).is_file():
        yield Path(origin).name, Path(origin), False
    else:
        raise Fault(f"--from {origin}: there is no such file, and it is none of {', '.join(c.slug for c in CLIENTS)}")


def _present(client: Client, machine: Machine) -> Iterator[tuple[str, Path, bool]]:
    for scope in ("user", "project"):
        for file in client.files(machine, scope):
            if Path(file).is_file():
                yield client.title, Path(file), scope == "project"


def _read(file: Path, title: str, machine: Machine, *, project: bool) -> Found:
    text = read(file)
    return Found() if text is None else read_servers(text, file, title, machine, project=project)


def _named(found: Iterable[FoundServer]) -> tuple[tuple[FoundServer, ...], list[str]]:
    kept: dict[str, FoundServer] = {}
    notes: list[str] = []
    for server in found:
        if any(replace(server, name=other.name, source=other.source) == other for other in kept.values()):
            continue
        name = _free(upstream_name(server.name), kept)
        if name != server.name:
            notes.append(f"{server.name} ({server.source}) is called {name} here")
        kept[name] = replace(server, name=name)
    return tuple(kept.values()), notes


def upstream_name(name: str) -> str:
    """`name` as headgate.toml takes it: letters, digits, hyphens and single underscores, at most 24."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"_{2,}", "_", re.sub(r"[^A-Za-z0-9_]+", "-", plain))
    return plain.strip("-_")[:_NAME_LIMIT].strip("-_") or "server"


def _free(name: str, taken: Iterable[str]) -> str:
    names = (name, *(f"{name[: _NAME_LIMIT - len(f'-{n}')]}-{n}" for n in range(2, 1000)))
    return next(free for free in names if free not in taken)
