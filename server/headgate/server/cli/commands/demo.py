"""`headgate demo`."""

from pathlib import Path

import click

from headgate.server.demo import run_demo


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Draw the timelines too.")
def demo(as_json: bool, svg: Path | None) -> int:  # noqa: FBT001 - click passes flags so
    """Start sample tool servers, run a refund triage one by one and as a batch, and show both as timelines."""
    return run_demo(json=as_json, svg=svg)
