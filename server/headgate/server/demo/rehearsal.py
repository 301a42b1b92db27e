"""The demo from curtain to curtain: start the servers, run the scenes, show each as it ends."""

import os
import shutil
import sys
from dataclasses import dataclass
from json import dumps
from pathlib import Path

import anyio
from rich.console import Console

from headgate.proxy.target import StdioTarget
from headgate.server.demo.picture import write_picture
from headgate.server.demo.scenes import as_batch, one_by_one, with_writes
from headgate.server.demo.stage import Stage
from headgate.server.demo.story import (
    AS_BATCH,
    ONE_BY_ONE,
    OPENING,
    WITH_WRITES,
    Run,
    drawn,
    next_steps,
    surprises,
    why_it_is_faster,
    why_it_is_safe,
)
from headgate.server.demo.timeline import saving
from headgate.server.opening import open_gate
from headgate.server.settings import HeadgateSettings, Settings, UpstreamSettings
from headgate.tools.rules import UpstreamRules

SERVERS = ("orders", "payments", "shipments")
LONGEST_START_S = 20.0
TRIAGE_S = 9.5
"""About what the triage takes one by one: how long the axis is until that is known."""


def settings() -> Settings:
    """Build the settings of a gate over the three sample servers."""
    upstreams = {
        name: UpstreamSettings(
            name,
            StdioTarget(command=sys.executable, args=("-m", "headgate.server.demo.servers", name)),
            UpstreamRules(),
        )
        for name in SERVERS
    }
    return Settings(headgate=HeadgateSettings(), upstreams=upstreams)


@dataclass(frozen=True, slots=True)
class NotUp:
    """Sample servers that did not start, each with the reason."""

    servers: tuple[str, ...]


async def perform(stage: Stage, over: Settings) -> Run | NotUp:
    """Run the three scenes over a fresh gate, and show each as it ends."""
    stage.say(OPENING)
    async with open_gate(over) as gate:
        with stage.waiting("starting three tool servers"):
            await gate.settled(LONGEST_START_S)
        down = [f"{it.name} did not start: {it.reason or it.state}" for it in gate.upstreams() if it.state != "ready"]
        if down:
            return NotUp(tuple(down))
        with stage.running(ONE_BY_ONE, TRIAGE_S) as watcher:
            serial = await one_by_one(gate, watcher)
        page = stage.page(serial.total_s)
        stage.show([*drawn(ONE_BY_ONE, serial, page), ""])
        with stage.running(AS_BATCH, TRIAGE_S) as watcher:
            batch = await as_batch(gate, watcher)
        stage.show([*drawn(AS_BATCH, batch, page), *saving(batch.total_s, serial.total_s, page)])
        stage.say(why_it_is_faster(serial))
        with stage.running(WITH_WRITES, TRIAGE_S) as watcher:
            writes = await with_writes(gate, watcher)
        stage.show(drawn(WITH_WRITES, writes, stage.page(writes.total_s)))
        stage.say(why_it_is_safe(writes))
    return Run(serial, batch, writes)


def rehearse(*, as_json: bool, svg: Path | None) -> int:
    """Run the demo; 0 if all went as it says, 1 if not, 2 if the picture cannot be written."""
    if svg is not None and not svg.parent.is_dir():
        sys.stderr.write(f"cannot write {svg}: there is no folder {svg.parent}\n")
        return 2
    stage = Stage(Console(quiet=as_json, force_terminal=False if as_json else None))
    run = anyio.run(perform, stage, settings())
    if isinstance(run, NotUp):
        sys.stderr.write(f"the demo cannot run: {'; '.join(run.servers)}\n")
        return 1
    found = surprises(run)
    if as_json:
        sys.stdout.write(dumps(run.told()) + "\n")
    if svg is not None:
        write_picture(svg, run.one_by_one, run.batch)
        stage.show([f"The picture of this run is in {svg}.", ""])
    stage.show([*found, *next_steps(_command())])
    return 1 if found else 0


def _command() -> str:
    """Name headgate as the user has to type it."""
    if shutil.which("headgate") is None and Path(sys.argv[0]).stem == "headgate":
        return os.path.relpath(sys.argv[0])
    return "headgate"
