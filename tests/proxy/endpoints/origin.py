"""An HTTP server of plain endpoints on the loopback, which writes down what it is asked and answers as it is told."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Origin:
    """`answers` by path; what has none is told what it asked, as JSON."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    connections: int = 0

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                asked = await _read(reader)
                self.asked.append(asked)
                answer = self.answers.get(asked.path, _echo(asked))
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                else:
                    await answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, target, headers, body)


def _echo(asked: Asked) -> bytes:
    told = {"method": asked.method, "target": asked.target, "body": asked.body.decode("latin-1")}
    return response(b"" if asked.method == "HEAD" else json.dumps(told).encode())


def response(body: bytes = b"", status: str = "200 OK", kind: str = "application/json", **headers: str) -> bytes:
    """A whole response; `headers` with underscores for hyphens."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
    lines += [f"content-type: {kind}"] if kind else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@asynccontextmanager
async def origin(host: str = "127.0.0.1") -> AsyncGenerator[Origin]:
    """The server, on a free port."""
    served = Origin()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await served.serve(reader, writer)
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, host, 0)
    served.url = f"http://{host}:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
