"""`headgate tools`: the catalogue."""

import click

from headgate.server.cli.catalogue_view import does, limits_of, tool_as_json, why
from headgate.server.cli.config import chosen_settings
from headgate.server.cli.display import echo_json, echo_rows, echo_table, on_terminal, plain
from headgate.server.cli.look import look


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with input schemas.")
def tools(*, as_json: bool) -> None:
    """List every tool with its class and why, its limits, and what it does."""
    seen = look(chosen_settings())
    if as_json:
        upstreams = [upstream.as_json() for upstream in seen.upstreams]
        echo_json({"tools": [tool_as_json(tool) for tool in seen.tools], "upstreams": upstreams})
        return
    if not seen.upstreams:
        click.echo("headgate.toml has no upstreams yet: put one in, or have headgate init take yours over", err=True)
        return
    rows = [(tool.qualified, tool.kind, why(tool), limits_of(tool), does(tool)) for tool in seen.tools]
    if on_terminal():
        echo_table(("name", "class", "why", "limits", "does"), rows)
        for upstream in seen.upstreams:
            if upstream.state == "ready":
                click.echo(f"{upstream.name}, all its tools together: {upstream.limits}")
    else:
        echo_rows(rows)
    for upstream in seen.upstreams:
        if upstream.state != "ready":
            click.echo(plain(f"{upstream.name} is missing: {upstream.said()}"), err=not on_terminal())
