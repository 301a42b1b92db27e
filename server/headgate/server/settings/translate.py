"""What the schema found wrong, said in the words of the file instead of the validator's. No value is looked at."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from headgate.server.settings.lines import KeyPath
from headgate.server.settings.problems import Findings
from headgate.server.settings.schema import File, known_keys

_LEVELS: Mapping[str, KeyPath] = {
    "[headgate]": ("headgate",),
    "[defaults]": ("defaults",),
    "[upstreams.NAME]": ("upstreams", ""),
    "[upstreams.NAME.tools.TOOL]": ("upstreams", "", "tools", ""),
    "[recipes.NAME]": ("recipes", ""),
    "[prefetch.NAME]": ("prefetch", ""),
    "[serve]": ("serve",),
    "[serve.oauth]": ("serve", "oauth"),
    "[tenants.NAME]": ("tenants", ""),
}
_WANTED = {
    "string_type": "write text in quotes",
    "bool_type": "write true or false, without quotes",
    "list_type": 'write a list, such as ["a", "b"]',
    "dict_type": "this is a table: write keys below a [header], or { key = value }",
    "model_type": "this is a table: write keys below a [header], or { key = value }",
}

_ELSEWHERE_SERVERS = (
    "servers stand under [upstreams.NAME]; 'headgate init --from FILE' writes them out of a client's config"
)
_NO_SWITCH = "there is no such switch: put a # before each line of what is not to be used"
_HABITS: Mapping[KeyPath, str] = {
    ("mcpServers",): _ELSEWHERE_SERVERS,
    ("mcp_servers",): _ELSEWHERE_SERVERS,
    ("servers",): _ELSEWHERE_SERVERS,
    ("upstreams", "", "type"): "take it out: whether there is a command, a url or http says it",
    ("upstreams", "", "enabled"): _NO_SWITCH,
    ("upstreams", "", "disabled"): _NO_SWITCH,
}
"""Keys of the clients' own configs, by where they stand, and what there is here instead."""


def checked(tables: dict[str, Any], findings: Findings) -> File:
    """The file's tables as the schema has them.

    What is wrong goes to `findings` and is taken out of `tables`, so that the rest can still be looked at and all that
    is wrong can be told at once.
    """
    while True:
        try:
            return File.model_validate(tables)
        except ValidationError as error:
            wrong = error.errors(include_input=False, include_url=False)
        for found in wrong:
            _tell(found, findings)
        taken = [_take_out(tables, found["loc"]) for found in wrong]
        if not any(taken):
            findings.settle()  # what is wrong cannot be taken out: what is known has to do


def _tell(found: ErrorDetails, findings: Findings) -> None:
    path = found["loc"]
    context = found.get("ctx", {})
    match found["type"]:
        case "extra_forbidden":
            _tell_unknown(path, findings)
        case "value_error":
            findings.problem(path, str(context["error"]))
        case "literal_error":
            findings.problem(path, f"write {context['expected']}".replace("'", '"'))
        case kind:
            findings.problem(path, _WANTED.get(kind, "this is not what belongs here"))


def _tell_unknown(path: KeyPath, findings: Findings) -> None:
    *table, key = path
    habit = _HABITS.get(path if path[0] != "upstreams" else ("upstreams", "", *path[2:]))
    if habit is not None:
        findings.problem(path, habit)
        return
    known = known_keys(tuple(table))
    near = get_close_matches(str(key).lower(), known, n=1, cutoff=0.6)
    if near:
        findings.problem(path, f'unknown key; did you mean "{near[0]}"?', instead=(*table, near[0]))
        return
    elsewhere = [name for name, level in _LEVELS.items() if key in known_keys(level)]
    if elsewhere:
        findings.problem(path, f"unknown key here; it belongs in {' or '.join(elsewhere)}")
    else:
        findings.problem(path, f"unknown key; known here: {', '.join(known)}")


def _take_out(tables: dict[str, Any], path: KeyPath) -> bool:
    """Remove the key at `path`, and say whether it was there; a place in an array takes the whole array with it."""
    around = tables
    *outer, key = path
    for part in outer:
        inner = around.get(cast("str", part))
        if not isinstance(inner, dict):
            key = part
            break
        around = cast("dict[str, Any]", inner)
    return around.pop(cast("str", key), None) is not None
