"""What goes between a client and headgate, written down as it passes: `python tap.py FILE COMMAND...` for stdio.

Each line of FILE is `→ MESSAGE` from the client or `← MESSAGE` to it. Over HTTP `http_tap` does the same.
"""

import json
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

TO_SERVER, TO_CLIENT = "→", "←"
Write = Callable[[str, bytes | str], None]
_OF_THE_HOP = frozenset(("host", "connection", "content-length", "transfer-encoding", "accept-encoding", "date"))


def writes_to(file: Path) -> Write:
    """What adds a message to `file`; anything else that passes is left out."""
    lock = threading.Lock()

    def write(direction: str, message: bytes | str) -> None:
        try:
            parsed: Any = json.loads(message)
        except ValueError:
            return
        if isinstance(parsed, dict):
            with lock, file.open("a", encoding="utf-8") as lines:
                lines.write(f"{direction} {json.dumps(parsed, ensure_ascii=False)}\n")

    return write


def http_tap(url: str, file: Path) -> Starlette:
    """An application that passes everything on to the server at `url`."""
    write = writes_to(file)
    client = httpx2.AsyncClient(timeout=None)

    async def pass_on(request: Request) -> StreamingResponse:
        body = await request.body()
        write(TO_SERVER, body)
        headers = {name: value for name, value in request.headers.items() if name not in _OF_THE_HOP}
        sent = client.build_request(request.method, url, headers=headers, content=body)
        response = await client.send(sent, stream=True)
        kept = {name: value for name, value in response.headers.items() if name.lower() not in _OF_THE_HOP}
        return StreamingResponse(_noted(response, write), response.status_code, kept)

    return Starlette(routes=[Route("/mcp", pass_on, methods=["GET", "POST", "DELETE"])])


async def _noted(response: httpx2.Response, write: Write) -> AsyncGenerator[bytes]:
    whole = b""
    try:
        async for chunk in response.aiter_raw():
            whole += chunk
            *events, rest = whole.split(b"\n") if b"text/event-stream" in _kind(response) else (whole,)
            for line in events:
                write(TO_CLIENT, line.removeprefix(b"data: "))
            whole = rest
            yield chunk
        write(TO_CLIENT, whole)
    finally:
        await response.aclose()


def _kind(response: httpx2.Response) -> bytes:
    return response.headers.get("content-type", "").encode()


def main(file: str, *command: str) -> int:
    """Stand between our own stdin and stdout and those of `command`."""
    write = writes_to(Path(file))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin = process.stdin

        def pass_in() -> None:
            with stdin:
                for line in sys.stdin.buffer:
                    write(TO_SERVER, line)
                    stdin.write(line)
                    stdin.flush()

        threading.Thread(target=pass_in, daemon=True).start()
        for line in process.stdout:
            write(TO_CLIENT, line)
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
