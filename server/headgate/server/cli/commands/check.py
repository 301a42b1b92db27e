"""`headgate check`: the config, and with --connect the upstreams that it names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from headgate.server.cli.config import chosen_settings
from headgate.server.cli.display import echo_json, echo_rows, echo_table, on_terminal, plain
from headgate.server.settings import Settings

if TYPE_CHECKING:
    from headgate.server.cli.look import UpstreamSeen


@click.command()
@click.option("--connect", is_flag=True, help="Start and ask every upstream too. Exit 1 if one fails.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(*, connect: bool, as_json: bool) -> int:
    """Check headgate.toml; with --connect its upstreams too."""
    settings = chosen_settings()
    upstreams = _connected(settings) if connect else None
    failed = any(upstream.state != "ready" for upstream in upstreams or ())
    if as_json:
        told = list(settings.upstreams) if upstreams is None else [upstream.as_json() for upstream in upstreams]
        echo_json({"config": settings.source, "notices": settings.notices, "upstreams": told})
        return int(failed)
    count = len(settings.upstreams)
    click.echo(f"{settings.source}: ok, {count} upstream{'' if count == 1 else 's'}")
    for notice in settings.notices:
        click.echo(f"note: {plain(notice)}")
    if upstreams:
        rows = [(upstream.name, upstream.state, upstream.said()) for upstream in upstreams]
        if on_terminal():
            echo_table(("upstream", "state", ""), rows)
        else:
            echo_rows(rows)
    return int(failed)


def _connected(settings: Settings) -> Sequence["UpstreamSeen"]:
    from headgate.server.cli.look import look  # noqa: PLC0415 - a plain check needs no gate

    return look(settings).upstreams
