"""A recorded session made again: the client's messages as they were, to a headgate of now."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import anyio
import httpx2
from tests.real.sessions import STATE, Line, lasting
from tests.real.tap import TO_SERVER

ANSWER_LIMIT_S = 20
STOP_LIMIT_S = 10
Message = dict[str, Any]


class Send(Protocol):
    """Sends a message of the client's."""

    async def __call__(self, message: Message, /) -> None:
        """What comes back goes into the inbox."""


class Replay:
    """Sends what was sent, and hears what is answered."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._heard = anyio.Condition()
        self._inbox: list[Message] = []
        self._ids: dict[Any, Any] = {}
        """The ids of headgate's own requests: what they were, and what they are."""
        self._state = STATE

    async def hear(self, message: Message) -> None:
        async with self._heard:
            self._inbox.append(message)
            self._heard.notify_all()

    async def run(self, send: Send) -> list[tuple[Message, Message]]:
        """What was answered then and what is answered now, both without what differs from run to run."""
        pairs: list[tuple[Message, Message]] = []
        settled = False
        for direction, message in self._lines:
            if direction == TO_SERVER:
                if message.get("method", "").startswith("tools/") and not settled:
                    settled = await self._settle(send, message)
                await send(self._as_of_now(message))
            else:
                now = await self._counterpart(message)
                self._state = now.get("result", {}).get("requestState", self._state)
                if "method" in message:
                    self._ids[message["id"]] = now["id"]
                    now = {**now, "id": message["id"]}
                pairs.append((message, _as_early(message, lasting(now))))
        return pairs

    async def _settle(self, send: Send, like: Message) -> bool:
        """Wait until every upstream is up, which it was when the session was recorded."""
        for number in range(1_000):
            params: Message = {"name": "find_tools", "arguments": {"query": ""}}
            if meta := like.get("params", {}).get("_meta"):
                params["_meta"] = meta
            await send({"jsonrpc": "2.0", "id": f"up-{number}", "method": "tools/call", "params": params})
            answer = await self._counterpart({"id": f"up-{number}"})
            if "unavailable" not in answer["result"]["structuredContent"]:
                return True
            await anyio.sleep(0.05)
        raise AssertionError("the upstreams do not come up")

    def _as_of_now(self, message: Message) -> Message:
        if "method" not in message:
            return {**message, "id": self._ids[message["id"]]}
        if message.get("params", {}).get("requestState") == STATE:
            return {**message, "params": {**message["params"], "requestState": self._state}}
        return message

    async def _counterpart(self, wanted: Message) -> Message:
        with anyio.fail_after(ANSWER_LIMIT_S):
            async with self._heard:
                while True:
                    for heard in self._inbox:
                        asks = "method" in wanted and heard.get("method") == wanted["method"] and "id" in heard
                        if asks or ("method" not in wanted | heard and heard.get("id") == wanted["id"]):
                            self._inbox.remove(heard)
                            return heard
                    await self._heard.wait()


def _as_early(then: Message, now: Message) -> Message:
    """Of a list those tools that were listed then: a client that asks at once gets it before the upstreams are up."""
    listed = then.get("result", {}).get("tools")
    if listed is None or "tools" not in now.get("result", {}):
        return now
    names = {tool["name"] for tool in listed}
    kept = [tool for tool in now["result"]["tools"] if tool["name"] in names]
    return {**now, "result": {**now["result"], "tools": kept}}


async def replayed_over_stdio(lines: Sequence[Line], command: Sequence[str]) -> list[tuple[Message, Message]]:
    """What `Replay.run` gives, of a headgate that `command` starts."""
    replay, pipe = Replay(lines), asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=2**24)
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    async def send(message: Message) -> None:
        stdin.write(json.dumps(message).encode() + b"\n")
        await stdin.drain()

    async def listen() -> None:
        while line := await stdout.readline():
            await replay.hear(json.loads(line))

    pairs: list[tuple[Message, Message]] = []
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            pairs = await replay.run(send)
            stdin.close()
            with anyio.fail_after(STOP_LIMIT_S):
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return pairs


async def replayed_over_http(lines: Sequence[Line], url: str) -> list[tuple[Message, Message]]:
    """What `Replay.run` gives, of the headgate at `url`."""
    replay = Replay(lines)
    async with _posting(replay, url) as send:
        return await replay.run(send)


@asynccontextmanager
async def _posting(replay: Replay, url: str) -> AsyncGenerator[Send]:
    session: dict[str, str] = {}

    async def post(client: httpx2.AsyncClient, message: Message) -> None:
        headers = {"accept": "application/json, text/event-stream", **session, **_headers_of(message)}
        async with client.stream("POST", url, json=message, headers=headers) as response:
            if "mcp-session-id" in response.headers:
                session["mcp-session-id"] = response.headers["mcp-session-id"]
            async for line in response.aiter_lines():
                said = line.removeprefix("data: ")
                if said.startswith("{"):
                    await replay.hear(json.loads(said))

    async with httpx2.AsyncClient(timeout=ANSWER_LIMIT_S) as client, anyio.create_task_group() as tasks:

        async def send(message: Message) -> None:
            if "id" in message:
                tasks.start_soon(post, client, message)
            else:
                await post(client, message)

        yield send
        tasks.cancel_scope.cancel()


def _headers_of(message: Message) -> dict[str, str]:
    """What the newer era says of a message in headers too."""
    params = message.get("params", {})
    version = params.get("_meta", {}).get("io.modelcontextprotocol/protocolVersion")
    if version is None:
        return {}
    name = {"mcp-name": params["name"]} if "name" in params else {}
    return {"mcp-protocol-version": version, "mcp-method": message["method"], **name}
