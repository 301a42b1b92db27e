"""Where a browser comes back to after a login: a port of this machine, for as long as somebody waits for it."""

import asyncio
import hmac
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

from mcp.shared.auth import AuthorizationCodeResult

from headgate.proxy.oauth.exchange import NotGrantedError

_PATH = "/callback"
_REQUEST_S = 5.0
_PAGE = b"""HTTP/1.1 200 OK\r
Content-Type: text/html; charset=utf-8\r
Content-Security-Policy: default-src 'none'\r
Referrer-Policy: no-referrer\r
Cache-Control: no-store\r
Connection: close\r
\r
<!doctype html><title>headgate</title><p>headgate has what it needs. You can close this window.</p>"""
_NOTHING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Listener:
    """Takes the first answer that belongs to the login whose address `leads_to` was told."""

    def __init__(self) -> None:
        """Nothing comes in before `listening`."""
        self.redirect_uri = ""
        self._state = ""
        self._answer: asyncio.Future[AuthorizationCodeResult] = asyncio.get_running_loop().create_future()

    def leads_to(self, url: str) -> None:
        """Wait for the answer to the login at `url`: whatever else calls here is not it."""
        self._state = parse_qs(urlsplit(url).query).get("state", [""])[0]

    async def answer(self) -> AuthorizationCodeResult:
        """What the browser brings; raises NotGrantedError if that is a refusal."""
        return await self._answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            with suppress(TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
                async with asyncio.timeout(_REQUEST_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(_PAGE if self._takes(head) else _NOTHING)
                    await writer.drain()
        finally:
            writer.close()

    def _takes(self, head: bytes) -> bool:
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        url = urlsplit(words[1] if len(words) > 1 else "")
        said = {name: values[0] for name, values in parse_qs(url.query).items()}
        ours = hmac.compare_digest(said.get("state", "").encode(), self._state.encode())
        if words[0] != "GET" or url.path != _PATH or not self._state or not ours or self._answer.done():
            return False
        if "code" in said:
            self._answer.set_result(
                AuthorizationCodeResult(code=said["code"], state=said.get("state"), iss=said.get("iss"))
            )
        else:
            code = said.get("error", "")
            known = code.isascii() and code.replace("_", "").isalpha()
            self._answer.set_exception(NotGrantedError(f"the login was refused ({code[:40] if known else 'no code'})"))
        return True


@asynccontextmanager
async def listening(port: int) -> AsyncGenerator[Listener]:
    """A listener on `port` of this machine's own address, or on any that is free; raises OSError."""
    listener = Listener()
    async with await asyncio.start_server(listener.serve, "127.0.0.1", port) as server:
        listener.redirect_uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{_PATH}"
        yield listener
