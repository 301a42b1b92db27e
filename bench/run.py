"""`make bench`: headgate beside its floors and rivals on one upstream, as a table.

    python bench/run.py [--quick] [--json FILE] [--only NAME]...

It is a report: a missed goal or a contestant that fails does not change the exit code. See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from contestants import CONTESTANTS, Contestant, Ground
from measures import Figures, Race
from pipe_client import kill_stragglers
from report import as_json, machine, print_report
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

FULL_ROUNDS, FULL_BUDGET_S = 7, 270.0
QUICK_ROUNDS, QUICK_BUDGET_S = 2, 50.0
PLAIN_WIDTH = 170


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure headgate beside its floors and rivals.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: under a minute, and noisier")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=[contestant.name for contestant in CONTESTANTS],
        help="measure only this contestant; may be given again (%(choices)s)",
    )  # fmt: skip
    return parser.parse_args()


async def measure(contestants: Sequence[Contestant], *, quick: bool, progress: Console) -> Figures:
    """Run the race in a folder that is thrown away afterwards."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    rounds, budget_s = (QUICK_ROUNDS, QUICK_BUDGET_S) if quick else (FULL_ROUNDS, FULL_BUDGET_S)
    with (
        tempfile.TemporaryDirectory(prefix="headgate-bench-", ignore_cleanup_errors=True) as folder,
        progress.status("starting") as status,
    ):
        notice = status.update if progress.is_terminal else progress.print
        return await Race(Ground(Path(folder)), contestants, notice).run(rounds, budget_s)


def main() -> None:
    """Measure and report."""
    arguments = parse_arguments()
    chosen = tuple(contestant for contestant in CONTESTANTS if contestant.name in (arguments.only or contestant.name))
    info = machine()
    try:
        figures = asyncio.run(measure(chosen, quick=arguments.quick, progress=Console(stderr=True)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise SystemExit("stopped") from None
    finally:
        kill_stragglers()
    out = Console()
    print_report(out if out.is_terminal else Console(width=PLAIN_WIDTH), figures, chosen, info)
    if arguments.json:
        arguments.json.write_text(as_json(figures, chosen, info))


if __name__ == "__main__":
    main()
