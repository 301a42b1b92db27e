"""`headgate trust`: tools whose definitions are not those that were pinned, and accepting them."""

from collections.abc import Sequence
from pathlib import Path

import click

from headgate.server.cli.config import chosen_settings
from headgate.server.cli.display import echo_json, plain
from headgate.server.cli.fault import Fault
from headgate.server.cli.look import look
from headgate.server.cli.waiting_view import show_waiting, waiting_as_json
from headgate.server.lock import LockError, read_lock, write_pins
from headgate.server.lock.waiting import Waiting, unknown_in, waiting_in
from headgate.tools.trust import Pin


@click.command()
@click.argument("names", nargs=-1, metavar="[UPSTREAM[__TOOL]]...")
@click.option("--all", "everything", is_flag=True, help="Accept every definition as it is now.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def trust(names: tuple[str, ...], *, everything: bool, as_json: bool) -> int:
    """Show tools whose definitions changed since they were trusted, and accept those that are named.

    Exit code: 0 nothing waits to be accepted any more, 1 something does, or an upstream could not be asked.
    """
    settings = chosen_settings()
    lock = settings.lock
    if lock is None:
        raise Fault("without a headgate.toml there is no lock file")
    damage = _damage_of(lock)
    if damage and not everything:
        raise Fault(
            f"{lock} {damage}. Restore it, or have it written anew from the tools as they are: headgate trust --all"
        )
    seen = look(settings)
    down = [upstream for upstream in seen.upstreams if upstream.state != "ready"]
    if damage and down:
        raise Fault(f"{down[0].name} is missing from what would be written anew: {down[0].said()}")
    waiting = waiting_in(seen.tools, settings, {} if damage else read_lock(lock), every=bool(damage))
    if not everything and (wrong := unknown_in(names, waiting, seen.tools)):
        raise Fault(wrong)
    accepted = [each for each in waiting if everything or any(each.is_called(name) for name in names)]
    left = [each for each in waiting if each not in accepted]
    if accepted or damage:
        _write(lock, accepted, anew=bool(damage))
    if as_json:
        echo_json({"accepted": waiting_as_json(accepted), "waiting": waiting_as_json(left)})
    else:
        show_waiting(accepted, left)
        for upstream in down:
            click.echo(plain(f"{upstream.name} is missing: {upstream.said()}"), err=True)
    return int(bool(left or down))


def _write(lock: Path, accepted: Sequence[Waiting], *, anew: bool) -> None:
    try:
        write_pins(lock, _pins_of(accepted), accepted=True, anew=anew)
    except LockError as error:
        raise Fault(f"{lock} {error}") from None


def _damage_of(lock: Path) -> str | None:
    try:
        read_lock(lock)
    except LockError as error:
        return str(error)
    return None


def _pins_of(accepted: Sequence[Waiting]) -> dict[str, dict[str, Pin]]:
    pins: dict[str, dict[str, Pin]] = {}
    for each in accepted:
        pins.setdefault(each.tool.upstream, {})[each.tool.name] = each.after
    return pins
