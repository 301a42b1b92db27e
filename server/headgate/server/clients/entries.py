"""Servers out of a client's config, in our words: one `FoundServer` each, and a note for each that was left out."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import PurePath
from typing import cast

from headgate.proxy.target import HttpTarget, StdioTarget, Target
from headgate.server.clients.edits import parse, table
from headgate.server.clients.places import Machine
from headgate.server.clients.variables import Variables, holds_stray, translated

_KEYS = ("mcpServers", "servers", "mcp_servers", "context_servers")
_RUNNERS = frozenset({"uvx", "uv", "pipx"})
_LONGEST_S = 1_000.0
_BARE_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_INCLUDE = ("enabled_tools", "enabledTools", "includeTools")
_EXCLUDE = ("disabled_tools", "disabledTools", "excludeTools")


@dataclass(frozen=True, slots=True)
class FoundServer:
    """One MCP server that a client has."""

    name: str
    """As the client calls it."""
    source: str
    """The client, for people."""
    target: Target
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What one config file gave."""

    servers: tuple[FoundServer, ...] = ()
    notes: tuple[str, ...] = ()


def read_servers(text: str, file: PurePath, source: str, machine: Machine, *, project: bool = False) -> Found:
    """Servers in a config file. `project` says that it belongs to the current folder, where its servers then run."""
    document = parse(text, file)
    servers: list[FoundServer] = []
    notes: list[str] = []
    for tables, inside in _tables(document, machine, project=project):
        for name, raw in tables.items():
            variables = Variables.of(document, machine)
            entry = table(_in_braces(raw)) if ".gemini" in file.parts else table(raw)
            outcome = _outcome(name, entry, source, variables)
            if isinstance(outcome, str):
                notes.append(f"{name} ({source}) left out: {outcome}")
                continue
            servers.append(_settled(outcome, machine) if inside else outcome)
            notes.extend(f"{name} ({source}): {note}" for note in variables.notes)
    return Found(tuple(servers), tuple(notes))


def _tables(
    document: Mapping[str, object], machine: Machine, *, project: bool
) -> Iterator[tuple[Mapping[str, object], bool]]:
    """Each group of servers, and whether it belongs to the current folder."""
    groups = [table(document[key]) for key in _KEYS if key in document]
    groups += [table(table(document.get("mcp")).get("servers"))]
    if not any(groups) and all(_is_entry(value) for value in document.values()):
        groups = [document]
    yield from ((group, project) for group in groups)
    for folder, state in table(document.get("projects")).items():
        if type(machine.cwd)(folder) == machine.cwd:
            yield table(table(state).get("mcpServers")), True


def _is_entry(value: object) -> bool:
    return bool(table(value).keys() & {"command", "url", "serverUrl", "httpUrl"})


def _outcome(name: str, raw: Mapping[str, object], source: str, variables: Variables) -> FoundServer | str:
    if raw.get("disabled") is True or raw.get("enabled") is False:
        return "it is disabled there"
    target = _target(raw)
    if isinstance(target, str):
        return target
    target = translated(target, variables)
    if holds_stray(target):
        return "it holds a ${ that headgate would take for the start of a variable"
    if "envFile" in raw:
        variables.notes.append("its envFile is not read: put what it needs into env")
    return FoundServer(
        name=name,
        source=source,
        target=target,
        include=_first_strings(raw, _INCLUDE),
        exclude=_first_strings(raw, _EXCLUDE),
        timeout_s=_timeout_s(raw),
    )


def _in_braces(value: object) -> object:
    """`value` with each `$NAME`, which Gemini CLI takes for a variable too, as `${NAME}`."""
    if isinstance(value, str):
        return _BARE_VARIABLE.sub(r"${\1}", value)
    if isinstance(value, list):
        return [_in_braces(item) for item in cast("list[object]", value)]
    members = table(value)
    return {name: _in_braces(item) for name, item in members.items()} if members else value


def _timeout_s(raw: Mapping[str, object]) -> float | None:
    value = raw.get("tool_timeout_sec", raw.get("timeout"))
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        return None
    # Some clients count in seconds, Gemini CLI in milliseconds. Nobody gives a tool more than a quarter of an hour.
    return value if value < _LONGEST_S else value / 1000


def _first_strings(raw: Mapping[str, object], keys: Sequence[str]) -> tuple[str, ...]:
    return next((_strings(raw[key]) for key in keys if key in raw), ())


def _target(raw: Mapping[str, object]) -> Target | str:
    """Where the server is, or why it cannot be used."""
    url = next((value for key in ("url", "serverUrl", "httpUrl") if isinstance(value := raw.get(key), str)), None)
    command = raw.get("command")
    if isinstance(command, str) and command:
        return _stdio(command, raw)
    if inner := table(command):  # Zed's earlier layout
        return _target({**inner, "command": inner.get("path")})
    if raw.get("source") == "extension":
        return "it comes out of a Zed extension, which headgate cannot start"
    if url is None:
        return "it has neither a command nor a url"
    kind = str(raw.get("type", raw.get("transport", "")))
    if kind in {"ws", "websocket"}:
        return "headgate does not speak its transport, websocket"
    # Clients that are told no transport try both; an address that ends so is the legacy one by custom.
    legacy = kind == "sse" or (not kind and "httpUrl" not in raw and url.rstrip("/").endswith("/sse"))
    return HttpTarget(url=url, headers=_headers(raw), transport="sse" if legacy else "streamable-http")


def _stdio(command: str, raw: Mapping[str, object]) -> StdioTarget | str:
    args = _strings(raw.get("args"))
    if not args and " " in command and not set("/\\") & set(command.split(" ", 1)[0]):
        command, *rest = shlex.split(command)
        args = tuple(rest)
    wrapped = _behind_headgate(command, args)
    if wrapped == ():
        return "it is headgate itself"
    if wrapped:
        command, *rest = wrapped
        args = tuple(rest)
    cwd = raw.get("cwd")
    folder = cwd if isinstance(cwd, str) and cwd else None
    forwarded = {name: f"${{{name}}}" for name in _strings(raw.get("env_vars"))}
    return StdioTarget(command=command, args=args, env=forwarded | _texts(raw.get("env")), cwd=folder)


def _behind_headgate(command: str, args: tuple[str, ...]) -> tuple[str, ...] | None:
    """Command that headgate is wrapped around; empty if it serves a config of its own, `None` if it is not headgate."""
    program = command.replace("\\", "/").rsplit("/", 1)[-1].lower().removesuffix(".exe")
    own = [arg.split("@")[0].split("=")[0] for arg in args[: args.index("--") if "--" in args else None]]
    by_module = ("-m", "headgate") in pairwise(own)
    if program != "headgate" and not by_module and not (program in _RUNNERS and "headgate" in own):
        return None
    return args[args.index("--") + 1 :] if "--" in args else ()


def _headers(raw: Mapping[str, object]) -> dict[str, str]:
    headers = _texts(raw.get("headers")) | _texts(raw.get("http_headers"))
    headers |= {name: f"${{{variable}}}" for name, variable in _texts(raw.get("env_http_headers")).items()}
    bearer = raw.get("bearer_token_env_var")
    if isinstance(bearer, str):
        headers["Authorization"] = f"Bearer ${{{bearer}}}"
    return headers


def _settled(server: FoundServer, machine: Machine) -> FoundServer:
    """A project's servers run in its folder, wherever headgate is started."""
    target = server.target
    if isinstance(target, StdioTarget):
        cwd = machine.cwd / target.cwd if target.cwd else machine.cwd
        return replace(server, target=replace(target, cwd=str(cwd)))
    return server


def _strings(value: object) -> tuple[str, ...]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return tuple(_text(item) for item in items if isinstance(item, str | int | float))


def _texts(value: object) -> dict[str, str]:
    return {name: _text(item) for name, item in table(value).items() if item is not None}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
