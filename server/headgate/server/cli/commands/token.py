"""`headgate token`: a bearer token for a client that calls over HTTP."""

import re

import click

from headgate.server.cli.display import echo_json
from headgate.server.cli.fault import Fault

_NAME = re.compile(r"[A-Za-z0-9_-]{1,48}")


@click.command()
@click.argument("tenant", default="default")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def token(tenant: str, *, as_json: bool) -> None:
    """Make a token for TENANT, and the lines that let it in.

    The token is shown here and nowhere else: the config holds its hash.
    """
    from headgate.server.http.tokens import hash_of, new_token  # noqa: PLC0415 - loads half of the server

    if not _NAME.fullmatch(tenant):
        raise Fault("a tenant's name is 1 to 48 letters, digits, hyphens and underscores")
    made = new_token()
    if as_json:
        echo_json({"tenant": tenant, "token": made, "hash": hash_of(made)})
        return
    click.echo("# For the client, which sends it as 'Authorization: Bearer TOKEN'; it is not shown again:", err=True)
    click.echo(made)
    click.echo("\n# For headgate.toml:", err=True)
    click.echo(f'[tenants.{tenant}]\ntokens = ["{hash_of(made)}"]', err=True)
