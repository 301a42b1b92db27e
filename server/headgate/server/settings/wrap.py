"""Settings without a file, for `headgate -- COMMAND ARGS`: one upstream with a name of its own, all else by default."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from headgate.proxy.target import StdioTarget
from headgate.server.settings.build import headgate_settings
from headgate.server.settings.problems import Findings, Problem, SettingsError
from headgate.server.settings.schema import Headgate
from headgate.server.settings.settings import Settings, UpstreamSettings
from headgate.tools.rules import UpstreamRules

_LAUNCHERS = {
    "npx", "bunx", "bun", "npm", "pnpm", "yarn", "node", "deno", "tsx", "uvx", "uv", "pipx", "python", "py", "pypy",
    "docker", "podman", "env", "java", "ruby", "go", "cargo", "dotnet", "php",
}  # fmt: skip
_SUBCOMMANDS = {"run", "tool", "exec", "x", "dlx", "container"}
_VALUED = {
    "-p", "--package", "--from", "--with", "--python", "--directory", "--project", "--index", "--index-url", "--spec",
    "-e", "--env", "-v", "--volume", "--mount", "--name", "--network", "--env-file", "-w", "--workdir", "-u", "--user",
    "--entrypoint", "--platform", "--require", "--import",
}  # fmt: skip
"""Options of launchers whose value is the next word."""
_INLINE = {"-c", "--eval"}
_GENERIC = {"index", "main", "server", "cli", "app", "__main__", "mcp"}
_BUILD_FOLDERS = {"dist", "build", "src", "lib", "out", "bin", ".", "..", "/", "~"}
_SUFFIX = re.compile(r"\.(?:py|js|mjs|cjs|ts|exe|cmd|bat|sh|jar|rb|php|dll)$", re.IGNORECASE)
_VERSION = re.compile(r"(?<=.)(?:@|==|>=|~=|\[|:).*$")
_MCP_WORDS = re.compile(
    r"^(?:mcp-server-|server-mcp-|mcp-|server-)(?=.)|(?<=.)(?:-mcp-server|-server-mcp|-mcp|-server)$"
)
_LONGEST = 24


def wrap_command(command: str, args: Sequence[str], environ: Mapping[str, str] | None = None) -> Settings:
    """Settings with `command` as the one upstream; HEADGATE_PARALLEL of `environ` (default: the process's) holds.

    Raises:
        SettingsError: there is no command, or HEADGATE_PARALLEL is none of its values.

    """
    if not command.strip():
        raise SettingsError([Problem(None, "COMMAND", "this is empty: name the program to start")])
    findings = Findings("", "")
    headgate = headgate_settings(Headgate(), os.environ if environ is None else environ, findings)
    findings.settle()
    name = upstream_name(command, args)
    upstream = UpstreamSettings(name, StdioTarget(command, tuple(args)), UpstreamRules())
    return Settings(headgate, {name: upstream})


def upstream_name(command: str, args: Sequence[str]) -> str:
    """What to call the upstream that `command` starts: the server in it, not the launcher around it."""
    program = _stem(command)
    if re.sub(r"[\d.]+$", "", program) not in _LAUNCHERS:
        return _tidy(_plain(command)) or "upstream"
    name = next((_plain(word) for word in _candidates(args)), "")
    return _tidy(name) or _tidy(program) or "upstream"


def _candidates(args: Sequence[str]) -> Iterator[str]:
    """The words that may name the server: no options, no values of options, no assignments, no nested launchers."""
    words = iter(args)
    for word in words:
        if word == "-m":
            module = next(words, "").split(".")
            yield "/".join(module)
        elif word in _VALUED:
            next(words, None)
        elif word in _INLINE:
            return
        elif not word.startswith("-") and not _is_launcher(word) and not re.match(r"\w+=", word):
            yield word


def _is_launcher(word: str) -> bool:
    return word in _SUBCOMMANDS or re.sub(r"[\d.]+$", "", _stem(word)) in _LAUNCHERS


def _plain(word: str) -> str:
    """`@scope/server-git@1.2` and `mcp_server_git` are both `git`; `weather/build/index.js` is `weather`."""
    parts = [part for part in re.split(r"[/\\]", word) if part]
    stem = ""
    for part in reversed(parts):
        stem = _stem(part).replace("_", "-")
        if stem not in _GENERIC and stem not in _BUILD_FOLDERS:
            break
    else:
        stem = _stem(parts[-1]) if parts else ""
    while (shorter := _MCP_WORDS.sub("", stem)) != stem:
        stem = shorter
    return stem


def _stem(word: str) -> str:
    name = PurePosixPath(word.replace("\\", "/")).name
    return _SUFFIX.sub("", _VERSION.sub("", name))


def _tidy(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+|--+", "-", name)[:_LONGEST].strip("-")
