"""Errors as their reader gets them: what, where and what to do, one line for each, and no traceback."""

import re
from typing import IO, Any, cast

import click

_NAMED_FILE = re.compile(r"unexpected extra argument \((\S+\.toml)\)")


class Fault(click.ClickException):
    """A usage or config error: exit 2, and each line of `message` on stderr."""

    exit_code = 2

    def __init__(self, message: str, snippet: str = "") -> None:
        """`snippet` is shown below the message as it is, to be copied."""
        super().__init__(message)
        self.snippet = snippet

    def show(self, file: IO[Any] | None = None) -> None:
        """Print each line of the message as headgate's."""
        for line in self.message.splitlines():
            click.echo(f"headgate: {line}", file=file, err=True)
        if self.snippet:
            click.echo(self.snippet, file=file, err=True)


def show_usage_error(error: click.ClickException) -> None:
    """One line for what click found wrong, with the way to the help."""
    if isinstance(error, Fault):
        error.show()
        return
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    message = " ".join(error.format_message().split())
    file = _NAMED_FILE.search(message)
    if file is not None:
        message = f"{message}: the file is named with --config {file[1]}."
    context = error.ctx if isinstance(error, click.UsageError) else None
    click.echo(f"headgate: {message}{f' See: {context.command_path} --help' if context else ''}", err=True)


def show_surprise(error: Exception) -> None:
    """One line for what nobody foresaw."""
    error = _innermost(error)
    text = " ".join(str(error).split())
    click.echo(
        f"headgate: this should not have happened: {type(error).__name__}{f': {text}' if text else ''}. "
        "HEADGATE_TRACEBACK=1 shows where it comes from.",
        err=True,
    )


def _innermost(error: Exception) -> Exception:
    if not isinstance(error, ExceptionGroup):
        return error
    causes = cast("ExceptionGroup[Exception]", error).exceptions
    return _innermost(causes[0]) if len(causes) == 1 else cast("Exception", error)


def one_line(error: OSError) -> str:
    """What the system said, without its number."""
    reason = error.strerror or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason
