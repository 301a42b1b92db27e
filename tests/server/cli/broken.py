"""Commands that end in ways of their own."""

import errno

import click


@click.command()
@click.argument("how")
def broken(how: str) -> None:
    """End as `how` says."""
    match how:
        case "interrupt":
            raise KeyboardInterrupt
        case "interrupted task":
            raise BaseExceptionGroup("tasks", [KeyboardInterrupt()])
        case "task":
            raise ExceptionGroup("tasks", [ExceptionGroup("more tasks", [ValueError("some\nthing")])])
        case "reader":
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        case _:
            raise ValueError("something")
