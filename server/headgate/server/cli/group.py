"""A group whose commands are imported when they are called: `serve` must not wait for what only `init` needs."""

import gc
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from headgate.server.cli.options import shared_options

INTERRUPTED = 130
"""The exit code of what a user stopped."""


@dataclass(frozen=True, slots=True)
class Later:
    """A command that is not imported yet."""

    place: str
    """`package.module:attribute`."""
    help: str = ""
    """Its line in the list of commands; empty keeps it out of the list."""


@contextmanager
def _nothing_collected() -> Generator[None]:
    """Imports make a great many objects and next to no garbage: looking for it took a tenth of the start.

    Frozen and thawed they are among the oldest: the collector would begin with a look through all that is new.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()
        gc.enable()


def _share_options(command: click.Command) -> None:
    """Let a command, and the commands below it, take what every command takes."""
    if not any(option.name == "log_json" for option in command.params):
        command.params.extend(shared_options())
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _share_options(each)


class LazyGroup(click.Group):
    """Commands by name, `Later`; and `headgate -- COMMAND` for `headgate wrap COMMAND`."""

    def __init__(self, *, later: Mapping[str, Later], wrapper: str, **settings: Any) -> None:
        super().__init__(**settings)
        self.later = later
        self.wrapper = wrapper

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take a `--` that stands before any command as the call of the wrapper."""
        if "--" in args:
            at = args.index("--")
            _, words, _ = self.make_parser(ctx).parse_args(args[:at])
            if not words:
                args = [*args[:at], self.wrapper, *args[at + 1 :]]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names for completion and help."""
        return [name for name, later in self.later.items() if later.help]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command."""
        later = self.later.get(cmd_name)
        if later is None:
            return None
        module, _, attribute = later.place.partition(":")
        with _nothing_collected():
            command: click.Command = getattr(import_module(module), attribute)
        _share_options(command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. Interrupted, it ends without a word: click would print an empty line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which was probably meant."""
        if args[0] not in self.later:
            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"To serve in front of it: headgate -- {args[0]} …"
            ctx.fail(f"There is no command {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Both forms."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] COMMAND [ARGS]...")
        formatter.write_usage(ctx.command_path, "-- PROGRAM [ARGS]...", prefix="   or: ")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.later[name].help) for name in self.list_commands(ctx)])
