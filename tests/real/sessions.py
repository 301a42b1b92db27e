"""Recorded sessions: what clients said to headgate and what it answered, without what differs from run to run.

`python -m tests.real.sessions` records those of docs/sessions anew, with the clients that are installed.
"""

import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import uvicorn
from tests.real import tap
from tests.real.gates import free_port, http_headgate, serve_command
from tests.real.servers import inspector
from tests.real.walking import WALKERS, Era, session_config, session_steps

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "sessions"
Transport = Literal["stdio", "http"]
Line = tuple[str, dict[str, Any]]
ERAS: Mapping[str, Era] = {"python": "2025", "typescript": "2026-07-28"}
STATE = "(sealed)"
SAME = "(structuredContent as text)"
_STANDS_FOR: Mapping[str, Any] = {
    "batch_id": "b_…", "duration_ms": 0, "serial_ms": 0, "received_at": "…", "recorded_at": "…",
    "requestState": STATE, "version": "…",
}  # fmt: skip


def lasting(value: Any) -> Any:
    """A message, or a part of one, as any other run has it."""
    if isinstance(value, Mapping):
        items = {**cast("Mapping[str, Any]", value)}
        if items.get("structuredContent") is not None and items.get("content"):
            first, *others = items["content"]
            if json.loads(first["text"]) == items["structuredContent"]:
                items["content"] = [{**first, "text": SAME}, *others]
        items.pop("queued_ms", None)  # it is there only where a machine was busy
        return {key: _STANDS_FOR.get(key, lasting(item)) for key, item in items.items()}
    if isinstance(value, list):
        return [lasting(item) for item in cast("list[Any]", value)]
    return re.sub(r"[\d.]+ (m?s)\b", r"N \1", value) if isinstance(value, str) else value


def read(session: Path) -> list[Line]:
    """The messages of a recorded session, each with its direction."""
    lines = (line.partition(" ") for line in session.read_text(encoding="utf-8").splitlines())
    return [(direction, json.loads(message)) for direction, _, message in lines]


def keep(session: Path, raw: Path) -> None:
    """Write a session as it is kept: without headgate's notifications and ends of streams, which have no place."""
    heard = read(raw)
    streams = {said["id"] for _, said in heard if said.get("method") == "subscriptions/listen"}
    kept = [
        (direction, said)
        for direction, said in heard
        if direction == tap.TO_SERVER or ("id" in said and said["id"] not in streams)
    ]
    text = (f"{direction} {json.dumps(lasting(said), ensure_ascii=False)}\n" for direction, said in kept)
    session.write_text("".join(text), encoding="utf-8")


async def record(client: str, transport: Transport, folder: Path) -> None:
    """Have `client` go through its steps, with the tap between; `folder` is an empty one."""
    config, raw = session_config(folder), folder / "raw.txt"
    if transport == "stdio":
        command = [sys.executable, str(Path(tap.__file__)), str(raw), *serve_command(config)]
        await _run(client, {"command": command}, folder)
    else:
        with http_headgate(config) as url:
            port = free_port()
            server = uvicorn.Server(uvicorn.Config(tap.http_tap(url, raw), port=port, log_config=None))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(server.serve())
                while not server.started:  # noqa: ASYNC110 - uvicorn says it in no other way
                    await asyncio.sleep(0.05)
                try:
                    await _run(client, {"url": f"http://127.0.0.1:{port}/mcp"}, folder)
                finally:
                    server.should_exit = True
    keep(FOLDER / f"{client}-{transport}.txt", raw)


async def _run(client: str, where: dict[str, Any], folder: Path) -> None:
    env = os.environ | {"HOME": str(folder), "MCP_INSPECTOR_SECRET_STORE": "memory"}
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*_command(client, where, folder), env=env, stdout=quiet)
    if await process.wait():
        raise SystemExit(f"{client} ended with exit code {process.returncode}")


def _command(client: str, where: dict[str, Any], folder: Path) -> list[str]:
    steps = session_steps()
    if client != "inspector":
        order = {"era": ERAS[client], "steps": steps, **where}
        return next(walker for walker in WALKERS if walker.name == client).command(order)
    asked = next(step for step in steps if step["name"] == "batch")
    calls = f"calls={json.dumps(asked['arguments']['calls'])}"
    ask = ["--method", "tools/call", "--tool-name", asked["tool"], "--tool-arg", calls]
    if "url" in where:
        return inspector(where["url"], "--transport", "http", *ask)
    program, *args = where["command"]
    file = folder / "inspector.json"
    file.write_text(json.dumps({"mcpServers": {"headgate": {"type": "stdio", "command": program, "args": args}}}))
    return inspector("--config", str(file), "--server", "headgate", *ask)


async def main() -> None:
    """Record all of them."""
    FOLDER.mkdir(exist_ok=True)
    transports: tuple[Transport, ...] = ("stdio", "http")
    with tempfile.TemporaryDirectory() as folder:
        for client in ("inspector", "python", "typescript"):
            for transport in transports:
                own = Path(folder) / f"{client}-{transport}"
                own.mkdir()
                await record(client, transport, own)


if __name__ == "__main__":
    asyncio.run(main())
