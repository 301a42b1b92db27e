"""`headgate check`: the config, and with --connect the upstreams that it names."""

from typing import TYPE_CHECKING

import click

from headgate.server.cli.catalogue_view import flag_of
from headgate.server.cli.config import chosen_settings
from headgate.server.cli.display import echo_json, echo_rows, echo_table, on_terminal, plain
from headgate.server.settings import Settings

if TYPE_CHECKING:
    from headgate.server.cli.look import Seen


@click.command()
@click.option(
    "--connect", is_flag=True, help="Start and ask every upstream too. Exit 1 if one fails, or a recipe does not fit."
)
@click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="TOOL={…}",
    help="With --connect: make this read alone and several times at once, and tell if its server does one at a time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(*, connect: bool, probes: tuple[str, ...], as_json: bool) -> int:
    """Check headgate.toml; with --connect its upstreams too."""
    if probes and not connect:
        raise click.UsageError("--probe needs --connect")
    settings = chosen_settings()
    seen = _connected(settings, probes) if connect else None
    upstreams, faults = (None, ()) if seen is None else (seen.upstreams, seen.faults)
    failed = bool(faults) or any(upstream.state != "ready" for upstream in upstreams or ())
    if as_json:
        told = list(settings.upstreams) if upstreams is None else [upstream.as_json() for upstream in upstreams]
        recipes = {"recipes": list(settings.recipes), "faults": faults} if settings.recipes else {}
        flags = {} if seen is None else {"flags": {tool.qualified: flag_of(tool) for tool in seen.flagged}}
        probed = {"probes": [each.as_json() for each in seen.probed]} if seen is not None and probes else {}
        echo_json(
            {"config": settings.source, "notices": settings.notices, "upstreams": told} | recipes | flags | probed
        )
        return int(failed)
    click.echo(f"{settings.source}: ok, {_counted(settings)}")
    for notice in settings.notices:
        click.echo(f"note: {plain(notice)}")
    if upstreams:
        rows = [(upstream.name, upstream.state, upstream.said()) for upstream in upstreams]
        if on_terminal():
            echo_table(("upstream", "state", ""), rows)
        else:
            echo_rows(rows)
    for tool in () if seen is None else seen.flagged:
        click.echo(plain(f"{tool.qualified}: {flag_of(tool)}"))
    for each in () if seen is None else seen.probed:
        click.echo(plain(f"{each.tool}: {each.said}"))
    for fault in faults:
        click.echo(plain(fault))
    return int(failed)


def _counted(settings: Settings) -> str:
    counts = {"upstream": len(settings.upstreams), "recipe": len(settings.recipes)}
    named = [f"{count} {what}{'' if count == 1 else 's'}" for what, count in counts.items()]
    return ", ".join(named if settings.recipes else named[:1])


def _connected(settings: Settings, probes: tuple[str, ...]) -> "Seen":
    from headgate.server.cli.at_once import Probe, ProbeError  # noqa: PLC0415 - a plain check needs no gate
    from headgate.server.cli.look import look  # noqa: PLC0415

    try:
        read = [Probe.read(probe) for probe in probes]
    except ProbeError as wrong:
        raise click.UsageError(str(wrong)) from None
    return look(settings, reach=True, probes=read)
