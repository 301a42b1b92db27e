"""`headgate call` and `headgate plan`: one batch out of a file or stdin."""

import asyncio
import codecs
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import click
import orjson

from headgate.server.approval import Approve, Verdict
from headgate.server.cli.config import chosen_settings
from headgate.server.cli.display import echo_json, on_terminal
from headgate.server.cli.fault import Fault
from headgate.server.cli.quiet import keep_log_quiet
from headgate.server.cli.ready import until_known
from headgate.server.cli.reply_view import Progress, echo_reply
from headgate.server.opening import open_gate
from headgate.server.settings import Settings
from headgate.tools.exact import exact

_FOREVER_S = 7 * 86400.0
_EXIT = {"ok": 0, "partial": 3, "pending": 3, "failed": 4, "refused": 5}

_FILE = click.argument("file", required=False, type=click.Path(path_type=Path, allow_dash=True))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the reply as JSON, on a terminal too.")
_WAIT = click.option("--wait", is_flag=True, help="Wait until every call has ended, whatever answer_within says.")
_YES = click.option("--yes", is_flag=True, help="Allow the writes that a person has to allow.")
_READS_ONLY = click.option("--reads-only", is_flag=True, help="Refuse the batch if there is a write in it.")


@click.command()
@_FILE
@_JSON
@_READS_ONLY
@_WAIT
@_YES
def call(file: Path | None, *, as_json: bool, reads_only: bool, wait: bool, yes: bool) -> int:
    """Run the batch in FILE, or on stdin, and print the reply.

    FILE holds {"calls": [...]}, a list of calls, or one call. Exit code: 0 all ok, 3 partly, 4 failed, 5 refused.
    """
    settings = chosen_settings()
    if wait:
        settings = replace(settings, headgate=replace(settings.headgate, answer_within_s=_FOREVER_S))
    request = as_request(_read(file), dry_run=False)
    return _run(settings, request, as_json=as_json, reads_only=reads_only, approve=_approver(yes=yes))


@click.command()
@_FILE
@_JSON
@_READS_ONLY
def plan(file: Path | None, *, as_json: bool, reads_only: bool) -> int:
    """Show how the batch in FILE, or on stdin, would run: classes, stages, problems. Nothing is run."""
    settings = chosen_settings()
    return _run(settings, as_request(_read(file), dry_run=True), as_json=as_json, reads_only=reads_only)


def _run(
    settings: Settings,
    request: Mapping[str, object],
    *,
    as_json: bool,
    reads_only: bool,
    approve: Approve | None = None,
) -> int:
    keep_log_quiet()
    for_person = on_terminal() and not as_json
    bar = for_person and sys.stderr.isatty() and not request.get("dry_run")
    reply = asyncio.run(_reply(settings, request, reads_only=reads_only, bar=bar, approve=approve))
    if for_person:
        echo_reply(reply)
    else:
        echo_json(reply)
    if reply.get("outcome") == "pending":
        click.echo("headgate: what was still running was given up; --wait waits for it", err=True)
    return _EXIT.get(str(reply.get("outcome")), 4)


def _approver(*, yes: bool) -> Approve | None:
    """Ask at the terminal; `None` where there is none and `--yes` was not said."""
    at_terminal = sys.stdin.isatty() and sys.stderr.isatty()

    async def approve(question: str) -> Verdict:
        if yes:
            return "allowed"
        click.echo(question, err=True)
        return "allowed" if await asyncio.to_thread(click.confirm, "allow", err=True) else "declined"

    return approve if yes or at_terminal else None


async def _reply(
    settings: Settings, request: Mapping[str, object], *, reads_only: bool, bar: bool, approve: Approve | None
) -> dict[str, Any]:
    async with open_gate(settings) as gate:
        await until_known(gate, request)
        if not bar:
            return (await gate.run(request, reads_only=reads_only, approve=approve)).reply
        with Progress() as progress:
            run = gate.run(request, reads_only=reads_only, on_progress=progress.show, approve=approve)
            return (await run).reply


def as_request(value: object, *, dry_run: bool) -> Mapping[str, object]:
    """What was read, as a request: one call alone is a batch of one. What is wrong in it, the reply will say."""
    request: Mapping[str, object] = {"calls": value}
    if isinstance(value, dict):
        given = cast("dict[str, object]", value)
        request = {"calls": [given]} if "calls" not in given and given.keys() & {"tool", "name"} else given
    return {**request, "dry_run": True} if dry_run else request


def _read(file: Path | None) -> object:
    source = "stdin" if file is None or str(file) == "-" else str(file)
    if source == "stdin" and sys.stdin.isatty():
        raise Fault("give the batch as a FILE or on stdin, as in: headgate call batch.json")
    try:
        content = sys.stdin.buffer.read() if source == "stdin" else Path(source).read_bytes()
        # Some editors and shells begin a text with a byte order mark.
        return exact(content.removeprefix(codecs.BOM_UTF8).decode().encode())
    except UnicodeDecodeError:
        raise Fault(f"{source} is not UTF-8 text: save it as UTF-8") from None
    except orjson.JSONDecodeError as wrong:
        raise Fault(f"{source} is not valid JSON: line {wrong.lineno}, column {wrong.colno}: {wrong.msg}") from None
