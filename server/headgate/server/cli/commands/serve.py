"""`headgate serve`, and `headgate -- PROGRAM`."""

import re

import click

from headgate.server.cli.config import chosen_settings
from headgate.server.cli.fault import Fault
from headgate.server.cli.options import options
from headgate.server.serve import run, serve_http, serve_stdio
from headgate.server.settings import SettingsError, wrap_command

_ADDRESS = re.compile(r"(?:(?P<host>\[[^\]]+\]|[^:\[\]]*):)?(?P<port>[0-9]{1,5})")


@click.command()
@click.option("--http", metavar="HOST:PORT", help="Serve streamable HTTP at http://HOST:PORT/mcp instead of stdio.")
def serve(http: str | None) -> None:
    """Run the MCP server: over stdio, or over HTTP."""
    address = _address(http) if http is not None else None
    settings = chosen_settings()
    log_json = options().log_json
    if address is None:
        run(serve_stdio(settings, log_json=log_json), settings)
    else:
        run(serve_http(settings, *address, log_json=log_json), settings)


@click.command(
    add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def wrap(command: tuple[str, ...]) -> None:
    """Serve over stdio in front of one stdio server."""
    if not command:
        raise Fault("nothing follows --: give the server to start, as in 'headgate -- npx -y some-mcp-server'")
    if options().config:
        raise Fault("--config and -- exclude each other: put that server into the file, and run 'headgate serve'")
    try:
        settings = wrap_command(command[0], command[1:])
    except SettingsError as error:
        raise Fault(str(error)) from None
    run(serve_stdio(settings, log_json=options().log_json), settings)


def _address(text: str) -> tuple[str, int]:
    """`8080`, `:8080` and `127.0.0.1:8080` are the same: nothing is open to a network without being asked for."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise Fault(f"--http {text!r} is not HOST:PORT: write --http 127.0.0.1:8080")
    return (found["host"] or "127.0.0.1").strip("[]"), int(found["port"])
