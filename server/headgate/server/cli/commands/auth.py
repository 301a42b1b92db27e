"""`headgate auth`: logins at the servers behind headgate."""

import asyncio
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import click

from headgate.proxy.connection import CallFailedError, UnavailableError
from headgate.proxy.target import HttpTarget, OAuthClient
from headgate.server.cli.config import chosen_settings
from headgate.server.cli.display import echo_json, echo_rows, echo_table, on_terminal, plain
from headgate.server.cli.fault import Fault, one_line


@click.group()
def auth() -> None:
    """Log in at servers that want it, and out. A headgate that serves already notices by itself."""


@auth.command()
@click.argument("name", metavar="NAME")
@click.option("--no-browser", is_flag=True, help="Only print the address to go to.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Wait for the browser at this port of this machine.")
def login(name: str, *, no_browser: bool, port: int | None) -> None:
    """Log in at the server NAME of headgate.toml, in your browser."""
    from headgate.proxy.oauth.exchange import NotGrantedError  # noqa: PLC0415 - loads an HTTP client
    from headgate.server.logins.log_in import log_in, open_browser  # noqa: PLC0415
    from headgate.server.logins.vault import Vault  # noqa: PLC0415

    target = _target_of(name)
    if _by_itself(target):
        raise Fault(f"{name} has client credentials: headgate gets its tokens by itself")
    if port is not None:
        target = replace(target, oauth=replace(target.oauth or OAuthClient(), redirect_port=port))

    def show(url: str) -> None:
        click.echo(f"To log in at {name}, go to:\n\n  {plain(url)}\n", err=True)
        if not no_browser and not open_browser(url):
            click.echo("No browser could be opened.", err=True)
        click.echo("Waiting for you to come back from there …", err=True)

    vault = Vault(name, target.url)
    try:
        asyncio.run(log_in(target, vault, show))
    except (NotGrantedError, CallFailedError) as failed:
        raise Fault(f"no login at {name}: {failed}") from None
    except OSError as error:
        raise Fault(f"no login at {name}: {one_line(error)}") from None
    where = f"{vault.file}, its key in the keyring" if vault.way == "keyring" else str(vault.file)
    click.echo(f"Logged in at {name}. What was granted is kept in {where}.")


@auth.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(*, as_json: bool) -> int:
    """Show how headgate gets into each server at a url. Nobody is asked.

    Exit code: 0 what was logged in once can be used, 1 something cannot.
    """
    targets = {name: upstream.target for name, upstream in chosen_settings().upstreams.items()}
    rows = [_state_of(name, target) for name, target in targets.items() if isinstance(target, HttpTarget)]
    if as_json:
        echo_json({"upstreams": rows})
    else:
        show = [(row["upstream"], row["way"], row["state"], row["scope"] or "", row["kept_in"] or "") for row in rows]
        if on_terminal():
            echo_table(("server", "by", "", "scope", "kept in"), show)
        else:
            echo_rows(show)
    return int(any(not row["usable"] for row in rows))


@auth.command()
@click.argument("name", metavar="NAME")
def logout(name: str) -> None:
    """Forget the login at the server NAME of headgate.toml."""
    from headgate.server.logins.vault import Vault  # noqa: PLC0415

    known = Vault(name, _target_of(name).url).forget()
    click.echo(f"Logged out at {name}." if known else f"There was no login at {name}.")


def _target_of(name: str) -> HttpTarget:
    upstreams = chosen_settings().upstreams
    if name not in upstreams:
        raise Fault(f"there is no server {name!r} in headgate.toml; there are: {', '.join(upstreams) or 'none'}")
    target = upstreams[name].target
    if not isinstance(target, HttpTarget):
        raise Fault(f"{name} is not at a url: there is nothing to log in at")
    from headgate.server.logins.access import has_header  # noqa: PLC0415

    if has_header(target):
        raise Fault(f"{name} has an Authorization header in headgate.toml, which is sent in place of any login")
    return target


def _by_itself(target: HttpTarget) -> bool:
    return target.oauth is not None and target.oauth.grant == "client_credentials"


def _state_of(name: str, target: HttpTarget) -> dict[str, Any]:
    from headgate.server.logins.access import has_header  # noqa: PLC0415
    from headgate.server.logins.vault import Vault  # noqa: PLC0415

    row = {"upstream": name, "way": "login", "state": "", "scope": None, "kept_in": None, "usable": True}
    if has_header(target):
        return row | {"way": "header", "state": "sent with each request"}
    if _by_itself(target):
        return row | {"way": "client credentials", "state": "a token is fetched when it is asked for"}
    vault = Vault(name, target.url)
    try:
        found = asyncio.run(vault.load())
    except UnavailableError as unreadable:
        return row | {"state": str(unreadable), "usable": False}
    if found is None:
        return row | {"state": "not logged in"}
    ends, renewable = found.expires_at, found.tokens.refresh_token is not None
    over = ends is not None and ends < time.time()
    if over and not renewable:
        state = f"needs a login: run headgate auth login {name}"
    elif renewable:
        state = "logged in; the token is renewed when it ends"
    elif ends is None:
        state = "logged in"
    else:
        state = f"logged in until {datetime.fromtimestamp(ends).astimezone():%Y-%m-%d %H:%M}"
    usable = renewable or not over
    return row | {"state": state, "scope": found.tokens.scope, "kept_in": vault.way, "usable": usable}
