"""An authorization server, and a tool server that takes nothing but its tokens, both on free loopback ports."""

import asyncio
import base64
import hashlib
import secrets
import socket
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server import Server, ServerRequestContext
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from tests.upstreams.recorder import sse_app

CLIENT_ID, CLIENT_SECRET = "shop-client", "client-secret-5f1c"


@dataclass(slots=True)
class Authorizing:
    """What it gives out, and what was asked of it."""

    url: str = ""
    shop_url: str = ""
    lifetime_s: int | None = 3600
    down: bool = False
    """Whether it answers with 503."""
    hangs_up: bool = False
    """Whether it ends the connection in the middle of its answer."""
    rotates: bool = True
    refuses: str = ""
    """The error with which a person's login ends."""
    more_scopes: list[str] | None = None
    clients: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    access: dict[str, float] = field(default_factory=dict[str, float])
    """Tokens that are good, and until when."""
    refresh: set[str] = field(default_factory=set[str])
    used: set[str] = field(default_factory=set[str])
    """Refresh tokens that were used: once more, and everything is taken back."""
    given: list[str] = field(default_factory=list[str])
    """Everything secret that it ever gave out."""
    asked: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """The forms of all requests for tokens."""
    queries: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """Those of all logins."""
    heard: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """The headers of all requests to the tool server."""
    turned_away: int = 0
    """How many of them had no token that is good."""
    calls: list[str] = field(default_factory=list[str])
    issuer: str | None = None
    prm_server: str | None = None
    slow_s: float = 0.0
    """How long a new token takes."""

    def metadata(self, _request: Request) -> Response:
        return JSONResponse({
            "issuer": self.issuer or self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/oauth/token",
            "registration_endpoint": f"{self.url}/oauth/register",
            "code_challenge_methods_supported": ["S256"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        })  # fmt: skip

    async def register(self, request: Request) -> Response:
        client = {**await request.json(), "client_id": f"client-{len(self.clients)}"}
        self.clients[client["client_id"]] = client
        return JSONResponse(client, 201)

    def authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        self.queries.append(query)
        known = self.clients.get(query["client_id"], {"redirect_uris": [query["redirect_uri"]]})
        if query["redirect_uri"] not in known["redirect_uris"] or query["code_challenge_method"] != "S256":
            return JSONResponse({"error": "invalid_request"}, 400)
        if self.refuses:
            return RedirectResponse(f"{query['redirect_uri']}?error={self.refuses}&state={query['state']}")
        code = self._given("code")
        self.codes[code] = query
        return RedirectResponse(f"{query['redirect_uri']}?code={code}&state={query['state']}")

    async def token(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        if (basic := request.headers.get("authorization", "")).startswith("Basic "):
            form["client_id"], form["client_secret"] = base64.b64decode(basic[6:]).decode().split(":")
        self.asked.append(form)
        await asyncio.sleep(self.slow_s)
        if self.hangs_up:
            return _cut_off()
        if self.down:
            return Response("down for now", 503)
        wrong = self._refused(form)
        if wrong:
            return JSONResponse({"error": wrong, "error_description": f"not with {form}"}, 400)
        answer = {"access_token": self._given("access"), "token_type": "bearer"}
        self.access[answer["access_token"]] = time.time() + (1e6 if self.lifetime_s is None else self.lifetime_s)
        if self.lifetime_s is not None:
            answer["expires_in"] = self.lifetime_s  # pyright: ignore[reportArgumentType]
        if form["grant_type"] != "client_credentials" and (self.rotates or form["grant_type"] != "refresh_token"):
            answer["refresh_token"] = self._given("refresh")
            self.refresh.add(answer["refresh_token"])
        return JSONResponse(answer)

    def _refused(self, form: dict[str, str]) -> str | None:
        match form["grant_type"]:
            case "authorization_code":
                query = self.codes.pop(form["code"], None)
                digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
                proof = base64.urlsafe_b64encode(digest).decode().rstrip("=")
                if query is None or proof != query["code_challenge"] or form["redirect_uri"] != query["redirect_uri"]:
                    return "invalid_grant"
            case "refresh_token":
                token = form["refresh_token"]
                if token in self.used:
                    self.revoke_all()
                if token not in self.refresh:
                    return "invalid_grant"
                if self.rotates:
                    self.refresh.remove(token)
                    self.used.add(token)
            case _:
                if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
                    return "invalid_client"
        return None

    def _given(self, kind: str) -> str:
        made = f"{kind}-{secrets.token_urlsafe(16)}"
        self.given.append(made)
        return made

    def revoke_all(self) -> None:
        self.access.clear()
        self.refresh.clear()

    def expire_all(self) -> None:
        self.access.clear()

    def resource(self, _request: Request) -> Response:
        servers = [self.prm_server or self.url]
        return JSONResponse({"resource": self.shop_url, "authorization_servers": servers})

    def guarded(self, app: Any) -> Any:
        async def guard(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and not scope["path"].startswith("/.well-known"):
                headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
                self.heard.append(headers)
                token = headers.get("authorization", "").removeprefix("Bearer ")
                if self.access.get(token, 0) < time.time():
                    self.turned_away += 1
                    where = f"{self.shop_url.removesuffix('/mcp')}/.well-known/oauth-protected-resource/mcp"
                    challenge = {"www-authenticate": f'Bearer error="invalid_token", resource_metadata="{where}"'}
                    await Response("who are you?", 401, challenge)(scope, receive, send)
                    return
            await app(scope, receive, send)

        return guard

    async def list_tools(self, _ctx: ServerRequestContext[Any], _params: object) -> types.ListToolsResult:
        schema = {"type": "object", "properties": {"tag": {"type": "string"}}}
        return types.ListToolsResult(tools=[types.Tool(name="look", description="Look", input_schema=schema)])

    async def call_tool(
        self, _ctx: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tag = str((params.arguments or {}).get("tag", ""))
        self.calls.append(tag)
        return types.CallToolResult(content=[types.TextContent(type="text", text=tag)], structured_content={"tag": tag})


def _cut_off() -> Response:
    """An answer that promises more than it holds."""
    return Response("{", headers={"content-length": "100"})


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def _serving(app: Any, listener: socket.socket) -> AsyncGenerator[None]:
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, ws="none")
    server = _Server(config)
    # In no task group: cancelled, it would leave a task of its own behind.
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
                await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await asyncio.wait((task,), timeout=10)


@asynccontextmanager
async def authorizing(*, sse: bool = False) -> AsyncGenerator[Authorizing]:
    """Both servers, until the block ends; the tool server over streamable HTTP, or the older transport."""
    there = Authorizing()
    routes = [
        Route("/.well-known/oauth-authorization-server", there.metadata),
        Route("/oauth/register", there.register, methods=["POST"]),
        Route("/oauth/token", there.token, methods=["POST"]),
        Route("/authorize", there.authorize),
    ]
    shop = Server("shop", version="1", on_list_tools=there.list_tools, on_call_tool=there.call_tool)
    app = (
        sse_app(shop, "/mcp")
        if sse
        else shop.streamable_http_app(streamable_http_path="/mcp", json_response=True, stateless_http=True)
    )
    app.router.routes.append(Route("/.well-known/oauth-protected-resource/mcp", there.resource))
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        there.url = f"http://127.0.0.1:{first.getsockname()[1]}"
        there.shop_url = f"http://127.0.0.1:{second.getsockname()[1]}/mcp"
        async with _serving(Starlette(routes=routes), first), _serving(there.guarded(app), second):
            yield there
