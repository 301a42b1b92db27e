"""Options that every command takes, before or after its name."""

from dataclasses import dataclass, replace
from pathlib import Path

import click


@dataclass(frozen=True, slots=True)
class Options:
    """What was said for the command as a whole."""

    config: Path | None = None
    log_json: bool = False


def shared_options() -> list[click.Option]:
    """Make the options, for one more command to take."""
    config = click.Option(
        ["--config"],
        metavar="PATH",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_keep,
        help="The headgate.toml to use.",
    )
    log_json = click.Option(
        ["--log-json"], is_flag=True, expose_value=False, callback=_keep, help="Log one JSON line per event to stderr."
    )
    return [config, log_json]


def options() -> Options:
    """What the command that is running was told."""
    root = click.get_current_context().find_root()
    return root.ensure_object(Options)


def _keep(context: click.Context, option: click.Parameter, value: object) -> None:
    root = context.find_root()
    said = root.ensure_object(Options)
    if value:
        root.obj = replace(said, **{str(option.name): value})
