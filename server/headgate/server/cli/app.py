"""The program `headgate`: its commands, and how each way to end becomes an exit code."""

import os
import sys
from collections.abc import Sequence

import click

from headgate.server.cli.fault import one_line, show_surprise, show_usage_error
from headgate.server.cli.group import INTERRUPTED, Later, LazyGroup
from headgate.server.cli.options import Options, shared_options
from headgate.server.cli.streams import open_closed_streams

_PACKAGE = "headgate.server.cli.commands"


COMMANDS = {
    "serve": Later(f"{_PACKAGE}.serve:serve", "Run the MCP server, over stdio or HTTP."),
    "demo": Later(f"{_PACKAGE}.demo:demo", "See what a batch saves, on sample tool servers."),
    "init": Later(f"{_PACKAGE}.init:init", "Write headgate.toml from the MCP servers that you have."),
    "check": Later(f"{_PACKAGE}.check:check", "Check headgate.toml, and its upstreams with --connect."),
    "install": Later(f"{_PACKAGE}.install:install", "Put headgate into a client's config."),
    "auth": Later(f"{_PACKAGE}.auth:auth", "Log in at servers that want it, and out."),
    "token": Later(f"{_PACKAGE}.token:token", "Make a token for a client that calls over HTTP."),
    "tools": Later(f"{_PACKAGE}.tools:tools", "List the tools: class and why, limits."),
    "trust": Later(f"{_PACKAGE}.trust:trust", "Show tools whose definitions changed, and accept them."),
    "call": Later(f"{_PACKAGE}.call:call", "Run a batch from a file or stdin."),
    "plan": Later(f"{_PACKAGE}.call:plan", "Show how a batch would run, and run nothing."),
    "journal": Later(f"{_PACKAGE}.journal:journal", "Look into the record of writes, and settle what is unknown."),
    "wrap": Later(f"{_PACKAGE}.serve:wrap"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and give its exit code."""
    open_closed_streams()
    _spare_old_encodings()
    return _run(argv)


def _spare_old_encodings() -> None:
    """Where a pipe cannot take a character it gets the escape for it, not an error halfway through."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _run(argv: Sequence[str] | None) -> int:
    try:
        outcome = _headgate.main(
            args=None if argv is None else list(argv), prog_name="headgate", standalone_mode=False, obj=Options()
        )
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        show_usage_error(error)
        return error.exit_code
    except SystemExit as end:  # click's own quiet end where the reader of stdout went away
        return end.code if isinstance(end.code, int) else 1
    except OSError as error:
        click.echo(f"headgate: {one_line(error)}", err=True)
        return 2
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt):
            return INTERRUPTED
        return _surprised(group)
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user
        return _surprised(error)
    return outcome if isinstance(outcome, int) else 0


def _surprised(error: BaseException) -> int:
    if os.environ.get("HEADGATE_TRACEBACK") or not isinstance(error, Exception):
        raise error
    show_surprise(error)
    return 1


@click.group(cls=LazyGroup, later=COMMANDS, wrapper="wrap", invoke_without_command=True, params=[*shared_options()])
@click.version_option(package_name="headgate", message="headgate %(version)s")
@click.pass_context
def _headgate(context: click.Context) -> None:
    """Many tool calls as one batch: reads at once, writes in order, one clean answer per call."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
