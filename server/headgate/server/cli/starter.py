"""The text of a new headgate.toml: what was found, and beside it in comments how to say more."""

import re
from collections.abc import Iterable, Mapping, Sequence

import tomlkit

from headgate.proxy.target import StdioTarget
from headgate.server.clients.entries import FoundServer

_WIDTH = 110
_HEAD = """\
# headgate.toml: which tool servers headgate stands in front of, and what holds for them.
# "headgate check --connect" tries it out; "headgate tools" shows every tool with its class and limits.

[headgate]
# read_concurrency = 8       # reads of one batch that run at once
# answer_within = "50s"      # a reply goes out by then; what still runs is fetched later with get_result
# reply_limit = "80KB"       # what is larger is cut, and can be fetched in parts
# expose = "batch"           # list only headgate's own tools to the agent, not every upstream tool as well
# parallel = false           # run every batch one by one, for comparison or in an incident

[defaults]                   # for every tool, unless its upstream or the tool itself says otherwise
timeout = "30s"
"""
_EXAMPLES = """
# ---- Servers go below, one table each. Take the "# " off and change what is in quotes. ----

# [upstreams.files]          # an MCP server that headgate starts
# command = "npx"
# args = ["-y", "@modelcontextprotocol/server-filesystem", "/path/to/folder"]
# env = { SOME_TOKEN = "${SOME_TOKEN}" }   # from the environment; with a default: ${NAME:-default}
"""
_REMOTE = """
# [upstreams.remote]         # an MCP server at an address
# url = "https://mcp.example.com/mcp"
# headers = { Authorization = "Bearer ${REMOTE_TOKEN}" }

# [upstreams.weather]        # an HTTP API without MCP
# http = "https://api.weather.example/v1"
# openapi = "weather.json"   # what the API says of itself; or its tools spelled out:
# [upstreams.weather.tools.get_weather]
# path = "/weather/{city}"
# query = ["units"]
"""
_OF_UPSTREAM = """\
# concurrency = 16           # calls in flight at once
# rate_limit = "20/s"        # or "100/min", "1000/h"
# exclude = ["delete_*"]     # tools that the agent shall not have; or include = [...], and no others
"""
_OF_TOOL = """
# [upstreams.{name}.tools.TOOL]
# class = "read"             # reads run at once, writes one by one in order; without it: what the server declares
# timeout = "5s"
# rate_limit = "1/s"
# burst = 1                  # how many may go at once; 1 spaces them evenly
# result_limit = "8KB"
"""


def starter(servers: Sequence[FoundServer]) -> str:
    """A whole file with `servers` as its upstreams; with examples in comments if there are none.

    What more can be said of an upstream stands in comments at the first one.
    """
    if not servers:
        return _HEAD + _EXAMPLES + _OF_UPSTREAM + _OF_TOOL.format(name="files") + _REMOTE
    first, *others = servers
    more = _OF_TOOL.format(name=first.name)
    return _HEAD + _upstream(first, _OF_UPSTREAM) + more + "".join(_upstream(server) for server in others)


def _upstream(server: FoundServer, more: str = "") -> str:
    table = f"upstreams.{server.name}"
    lines = ["", f"[{table}]  # from {server.source}", *_target(server)]
    if server.timeout_s is not None:
        lines.append(f'timeout = "{server.timeout_s:g}s"')
    for key, globs in (("include", server.include), ("exclude", server.exclude)):
        if globs:
            lines.append(_line(key, _list(globs)))
    target = server.target
    key, values = ("env", target.env) if isinstance(target, StdioTarget) else ("headers", target.headers)
    inline = f"{key} = {{ {', '.join(_pairs(values))} }}"
    if values and len(inline) <= _WIDTH:
        lines.append(inline)
    text = "\n".join(lines) + "\n" + more
    if len(inline) > _WIDTH:
        text += "\n".join([f"[{table}.{key}]", *_pairs(values)]) + "\n"
    return text


def _target(server: FoundServer) -> list[str]:
    target = server.target
    if not isinstance(target, StdioTarget):
        legacy = ['transport = "sse"'] if target.transport == "sse" else []
        return [f"url = {_text(target.url)}", *legacy]
    lines = [f"command = {_text(target.command)}"]
    if target.args:
        lines.append(_line("args", _list(target.args)))
    if target.cwd:
        lines.append(f"cwd = {_text(target.cwd)}")
    return lines


def _line(key: str, items: Sequence[str]) -> str:
    line = f"{key} = [{', '.join(items)}]"
    if len(line) <= _WIDTH:
        return line
    return f"{key} = [\n" + "".join(f"  {item},\n" for item in items) + "]"


def _list(values: Iterable[str]) -> list[str]:
    return [_text(value) for value in values]


def _pairs(values: Mapping[str, str]) -> list[str]:
    return [f"{_key(name)} = {_text(value)}" for name, value in values.items()]


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(value: str) -> str:
    return tomlkit.item(value).as_string()
