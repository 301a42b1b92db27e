"""`headgate serve`, and `headgate -- PROGRAM`."""

import os
import re
from ipaddress import ip_address

import click

from headgate.server.cli.config import chosen_settings
from headgate.server.cli.fault import Fault
from headgate.server.cli.options import options
from headgate.server.serve import run, serve_stdio
from headgate.server.settings import Settings, SettingsError, wrap_command

_ADDRESS = re.compile(r"(?:(?P<host>\[[^\]]+\]|[^:\[\]]*):)?(?P<port>[0-9]{1,5})")


@click.command()
@click.option("--http", metavar="HOST:PORT", help="Serve streamable HTTP at http://HOST:PORT/mcp instead of stdio.")
@click.option("--no-auth", is_flag=True, help="Over HTTP on a loopback address: serve every program of this machine.")
@click.option(
    "--parallel/--no-parallel", default=None, help="Whatever the config says: batches in parallel, or one by one."
)
def serve(http: str | None, *, no_auth: bool, parallel: bool | None) -> None:
    """Run the MCP server: over stdio, or over HTTP."""
    address = _address(http) if http is not None else None
    if parallel is not None:
        # The variable, so that it still holds when the file is read again.
        os.environ["HEADGATE_PARALLEL"] = str(int(parallel))
    settings = chosen_settings()
    log_json = options().log_json
    if address is None:
        run(serve_stdio(settings, log_json=log_json), settings)
        return
    no_auth = _without_tokens(settings, *address, no_auth=no_auth or settings.serve.no_auth)
    from headgate.server.http.serving import serve_http  # noqa: PLC0415 - stdio starts without it

    run(serve_http(settings, *address, no_auth=no_auth, log_json=log_json), settings)


def _without_tokens(settings: Settings, host: str, port: int, *, no_auth: bool) -> bool:
    """Whether callers need no token; a fault where it is not clear that they need none, or none could be right."""
    known = bool(settings.tenants) or settings.serve.oauth is not None
    if not no_auth and not known:
        again = f"headgate serve --http {host}:{port} --no-auth"
        here = f", or for this machine's programs alone: {again}" if _is_loopback(host) else ""
        raise Fault(f"no token, no service: 'headgate token' makes a token and the lines for headgate.toml{here}")
    if no_auth and known:
        raise Fault("--no-auth is not for a config that has [tenants] or [serve.oauth]: callers show their tokens")
    if no_auth and not _is_loopback(host):
        raise Fault(
            f"--no-auth is for loopback addresses alone, and {host} can be reached from elsewhere: "
            f"bind --http 127.0.0.1:{port}, or give callers tokens ('headgate token' makes one)"
        )
    return no_auth


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


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
