"""The handshake in either era, and the list of tools, whatever the upstream makes of them."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from tests.proxy.misbehaving import SECRET, hostile, opened
from tests.proxy.parts import turns
from tests.timings import CLOCK_S, SLACK_S
from tests.virtual_time import in_virtual_time

from headgate.proxy import session as sessions
from headgate.proxy.connection import AnsweredWithErrorError, CallFailedError, Opening
from headgate.proxy.rpc import Rpc
from headgate.proxy.session import MAX_PAGES, SessionConnection, negotiated
from headgate.proxy.upstream import Upstream
from headgate.tools.rules import UpstreamRules

NEW = "2026-07-28"


class Peer:
    """The other end of a line: answers by method, a call of which gives a result, an error or nothing."""

    def __init__(self, **answers: Any) -> None:
        self.rpc = Rpc()
        self.rpc.write = self._take
        self.asked: list[str] = []
        self.listening: list[object] = []
        self.answers: dict[str, Any] = {name.replace("_", "/"): answer for name, answer in answers.items()}

    def say(self, **message: Any) -> None:
        self.rpc.receive(orjson.dumps({"jsonrpc": "2.0", **message}))

    def _take(self, line: bytes) -> None:
        message = orjson.loads(line)
        self.asked.append(message["method"])
        if "id" not in message:
            return
        if message["method"] == "subscriptions/listen" and "subscriptions/listen" not in self.answers:
            self.listening.append(message["id"])
            asyncio.get_running_loop().call_soon(self._acknowledge, message["id"])
            return
        answer = self.answers.get(message["method"], {"error": {"code": -32601, "message": "no such method"}})
        if answer is not None:
            asyncio.get_running_loop().call_soon(lambda: self.say(id=message["id"], **answer))

    def _acknowledge(self, identity: object) -> None:
        self._news("notifications/subscriptions/acknowledged", identity, notifications={"toolsListChanged": True})

    def _news(self, method: str, identity: object, **params: Any) -> None:
        meta = {"io.modelcontextprotocol/subscriptionId": identity}
        self.say(method=method, params={**params, "_meta": meta})

    def tools_changed(self) -> None:
        self._news("notifications/tools/list_changed", self.listening[-1])


DISCOVERED = {
    "result": {
        "supportedVersions": [NEW],
        "capabilities": {"tools": {"listChanged": True}},
        "serverInfo": {"name": "p", "version": "1"},
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "private",
    }
}
INITIALIZED = {
    "result": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {"listChanged": True}},
        "serverInfo": {"name": "p", "version": "1"},
    }
}


@asynccontextmanager
async def session_with(peer: Peer, changed: Any = None, **more: Any) -> AsyncGenerator[tuple[Any, Any]]:
    async with negotiated(peer.rpc, Opening("up", changed or (lambda: None)), **more) as found:
        yield found


@in_virtual_time
async def test_the_newest_era_is_tried_first_and_each_request_then_says_who_we_are() -> None:
    peer = Peer(server_discover=DISCOVERED)
    async with session_with(peer) as (session, meta):
        assert session.protocol_version == NEW
        assert meta["io.modelcontextprotocol/protocolVersion"] == NEW
        assert meta["io.modelcontextprotocol/clientInfo"]["name"] == "headgate"
        assert "initialize" not in peer.asked


@in_virtual_time
@pytest.mark.parametrize(
    "probed",
    [
        {"error": {"code": -32601, "message": "no such method"}},
        {"error": {"code": -32600, "message": "not initialized"}},
        {"result": {"nothing": "of use"}},
        {
            "result": {
                "supportedVersions": ["1999-01-01"],
                "capabilities": {},
                "serverInfo": {"name": "", "version": ""},
            }
        },
    ],
)
async def test_whoever_does_not_know_it_is_greeted_in_the_older_way(probed: dict[str, Any]) -> None:
    peer = Peer(server_discover=probed, initialize=INITIALIZED)
    async with session_with(peer) as (session, meta):
        assert session.protocol_version == "2025-06-18"
        assert meta is None


@in_virtual_time
async def test_one_that_ignores_the_probe_is_greeted_in_the_older_way_after_three_seconds() -> None:
    peer = Peer(server_discover=None, initialize=INITIALIZED)
    async with session_with(peer) as (session, _):
        assert session.protocol_version == "2025-06-18"
        assert asyncio.get_running_loop().time() == pytest.approx(3, abs=0.01)


@in_virtual_time
async def test_one_that_ignores_the_greeting_too_counts_as_failed_in_the_end() -> None:
    peer = Peer(server_discover=None, initialize=None)
    with pytest.raises(BaseException) as failed:  # noqa: PT011 - in groups, which reason_of takes apart
        async with session_with(peer):
            pass
    assert _reason(failed.value) == "no answer to initialize in 120 s"


@in_virtual_time
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"error": {"code": 1, "message": f"bad token {SECRET}"}}, "bad token •••"),
        ({"result": {"protocolVersion": 7}}, "its answer is not a valid one"),
        ({"result": {**INITIALIZED["result"], "protocolVersion": "1999-01-01"}}, "1999-01-01"),
    ],
)
async def test_a_handshake_that_fails_is_told_in_one_plain_sentence(answer: dict[str, Any], reason: str) -> None:
    peer = Peer(initialize=answer)
    with pytest.raises(BaseException) as failed:  # noqa: PT011
        async with session_with(peer, secrets=frozenset([SECRET])):
            pass
    told = _reason(failed.value)
    assert told.startswith("it does not complete the MCP handshake: ")
    assert reason in told
    assert "\n" not in told
    assert SECRET not in told


def _reason(error: BaseException) -> str:
    from headgate.proxy.replica import reason_of

    return reason_of(error)


@in_virtual_time
async def test_changed_tools_are_told_by_notification_in_the_older_era() -> None:
    peer, told = Peer(initialize=INITIALIZED), asyncio.Event()
    async with asyncio.timeout(30), session_with(peer, told.set):
        peer.say(method="notifications/tools/list_changed")
        await told.wait()


@in_virtual_time
async def test_changed_tools_are_told_by_subscription_in_the_newer_era() -> None:
    peer, told = Peer(server_discover=DISCOVERED), asyncio.Event()
    async with asyncio.timeout(30), session_with(peer, told.set):
        while not peer.listening:
            await turns()
        await turns(10)
        peer.tools_changed()
        await told.wait()


@in_virtual_time
@pytest.mark.parametrize("end", [{"result": {}}, {"error": {"code": -32000, "message": "the stream broke"}}])
async def test_a_subscription_that_ends_is_taken_up_again_and_the_tools_looked_at(end: dict[str, Any]) -> None:
    peer, told = Peer(server_discover=DISCOVERED), asyncio.Event()
    async with asyncio.timeout(30), session_with(peer, told.set):
        await asyncio.sleep(0.1)
        for times in range(1, 4):
            peer.say(id=peer.listening[-1], **end)
            await told.wait()
            told.clear()
            await asyncio.sleep(0.1)
            assert len(peer.listening) == times + 1


@in_virtual_time
@pytest.mark.parametrize(
    "refusal", [{"error": {"code": -32601, "message": "no"}}, {"error": {"code": 0, "message": ""}}]
)
async def test_a_subscription_that_is_refused_is_left_at_that(refusal: dict[str, Any]) -> None:
    peer = Peer(server_discover=DISCOVERED, subscriptions_listen=refusal)
    async with session_with(peer):
        await asyncio.sleep(1_000)
        assert peer.asked.count("subscriptions/listen") == 1


def pages(*answers: Mapping[str, Any]) -> tuple[SessionConnection, list[Any]]:
    asked: list[Any] = []

    async def send(
        _method: str, params: dict[str, Any], _headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        asked.append(params.get("cursor"))
        return answers[min(len(asked), len(answers)) - 1]

    async def ended() -> str:
        raise AssertionError

    return SessionConnection(send, ended, None), asked


@in_virtual_time
async def test_every_page_of_tools_is_listed_and_what_is_no_tool_left_out() -> None:
    connection, asked = pages(
        {"tools": [{"name": "a"}, "no tool", None], "nextCursor": "2"}, {"tools": [{"name": "b"}], "nextCursor": None}
    )
    assert await connection.list_tools() == [{"name": "a"}, {"name": "b"}]
    assert asked == [None, "2"]


@in_virtual_time
async def test_a_cursor_that_comes_back_ends_the_list() -> None:
    connection, asked = pages({"tools": [{"name": "a"}], "nextCursor": "again"})
    assert len(await connection.list_tools()) == 1
    assert asked == [None, "again"]


@in_virtual_time
async def test_a_list_that_never_ends_is_cut() -> None:
    connection, asked = pages(*({"tools": [{"name": f"t{n}"}], "nextCursor": str(n)} for n in range(1_000)))
    assert len(await connection.list_tools()) == len(asked) == MAX_PAGES


@in_virtual_time
async def test_pages_that_hold_nothing_new_end_the_list_and_empty_ones_do_not() -> None:
    connection, asked = pages(
        {"tools": [{"name": "a"}, {"name": "b"}], "nextCursor": "2"},
        {"tools": [], "nextCursor": "3"},
        {"tools": [{"name": "b"}, {"name": "c"}], "nextCursor": "4"},
        {"tools": [{"name": "a"}, {"name": "c"}], "nextCursor": "5"},
        {"tools": [{"name": "d"}]},
    )
    assert [tool["name"] for tool in await connection.list_tools()] == ["a", "b", "c"]
    assert len(asked) == 4


@in_virtual_time
@pytest.mark.parametrize("answer", [{}, {"tools": None}, {"tools": {"a": 1}}])
async def test_an_answer_without_a_list_is_a_failure(answer: dict[str, Any]) -> None:
    connection, _ = pages(answer)
    with pytest.raises(CallFailedError, match="holds no list of tools"):
        await connection.list_tools()


@in_virtual_time
async def test_a_refusal_to_list_is_told_without_secrets() -> None:
    async def send(_method: str, _params: dict[str, Any]) -> Mapping[str, Any]:
        raise AnsweredWithErrorError(f"bad token {SECRET}")

    connection = SessionConnection(send, send, None, frozenset([SECRET]))  # pyright: ignore[reportArgumentType]
    assert SECRET not in repr(connection)
    with pytest.raises(CallFailedError, match="it does not list its tools: bad token •••"):
        await connection.list_tools()


# Against a real process: the reason as its operator reads it.


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("exit", "it does not complete the MCP handshake: it ended with exit code 7: cannot log in with •••"),
        ("refuse", "it does not complete the MCP handshake: bad token •••"),
        ("no-tools", "it does not list its tools: cannot list with •••"),
    ],
)
async def test_the_reason_of_a_failed_opening_is_a_plain_sentence_without_secrets(mode: str, reason: str) -> None:
    from headgate.proxy.stdio import stdio_opener

    upstream = Upstream("far", UpstreamRules(), stdio_opener(hostile(mode)), lambda: None)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(upstream.run())
        await upstream.settled()
        owner.cancel()
    assert upstream.state.reason == reason


async def test_a_silent_probe_costs_its_bound_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "PROBE_S", 0.3)
    started = time.monotonic()
    async with asyncio.timeout(10), opened("silent-probe") as connection:
        assert await connection.list_tools()
        assert 0.3 - CLOCK_S < time.monotonic() - started < 1 + SLACK_S


async def test_one_that_never_answers_fails_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "PROBE_S", 0.2)
    monkeypatch.setattr(sessions, "HANDSHAKE_S", 0.2)
    with pytest.raises(BaseException) as failed:  # noqa: PT011
        async with asyncio.timeout(10), opened("mute"):
            pass
    assert _reason(failed.value) == "no answer to initialize in 0.2 s"


@pytest.mark.parametrize(("own", "expected"), [(None, {"k": 1}), ({"version": "new"}, {"version": "new", "k": 1})])
async def test_what_goes_with_one_call_is_added_to_what_goes_with_every_request(
    own: dict[str, Any] | None, expected: dict[str, Any]
) -> None:
    sent: list[Any] = []

    async def send(method: str, params: dict[str, Any], headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        sent.append((method, params.get("_meta"), headers))
        return {}

    async def ended() -> str:
        return ""

    connection = SessionConnection(send, ended, own)
    await connection.call_tool("pay", {}, meta={"k": 1}, headers={"Idempotency-Key": "k"})
    await connection.call_tool("pay", {})

    assert sent == [("tools/call", expected, {"Idempotency-Key": "k"}), ("tools/call", own, None)]
