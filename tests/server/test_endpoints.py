"""Plain HTTP tools through the whole of headgate, against a server on the loopback."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.config import write_config
from tests.proxy.endpoints.origin import Origin, origin, response
from tests.server.gates import by_id

from headgate.server.gate import Gate
from headgate.server.opening import open_gate


@asynccontextmanager
async def shop(folder: Path, **more: Any) -> AsyncGenerator[tuple[Origin, Gate]]:
    async with origin() as there:
        tools = {
            "get": {"path": "/orders/{id}", "query": ["view"]},
            "pay": {"path": "/orders/{id}/payment", "method": "POST", "body": ["amount"]},
            "find": {"path": "/search", "method": "POST", "body": "query", "class": "read"},
        }
        upstream = {"http": there.url, "tools": tools, "retries": 0, **more}
        async with open_gate(write_config(folder, {"shop": upstream})) as gate:
            await gate.settled(5)
            yield there, gate


def get(identity: str, call: str = "c1") -> dict[str, Any]:
    return {"id": call, "tool": "shop__get", "arguments": {"id": identity}}


def pay(call: str = "pay") -> dict[str, Any]:
    return {"id": call, "tool": "shop__pay", "arguments": {"id": "1", "amount": "5"}}


async def test_get_is_a_read_post_a_write_and_the_operators_class_wins(tmp_path: Path) -> None:
    async with shop(tmp_path) as (_, gate):
        kinds = {tool.name: tool.kind for tool in gate.catalogue().tools}

    assert kinds == {"get": "read", "pay": "write", "find": "read"}


async def test_a_batch_reads_at_once_and_what_one_gives_goes_into_another(tmp_path: Path) -> None:
    async with shop(tmp_path) as (there, gate):
        there.answers["/orders/1"] = response(b'{"next": "a/b", "items": [{"id": 7}, {"id": 8}]}')
        reference = {"$from": "first", "path": "$.next"}
        reply = await gate.batch(
            [get("1", "first"), {"id": "next", "tool": "shop.get", "arguments": {"id": reference}}]
        )

    assert reply["outcome"] == "ok"
    assert [asked.target for asked in there.asked] == ["/orders/1", "/orders/a%2Fb"]


async def test_a_write_that_the_server_fails_over_is_unknown_and_is_sent_once(tmp_path: Path) -> None:
    async with shop(tmp_path, retries=3) as (there, gate):
        there.answers["/orders/1/payment"] = response(b"oops", "502 Bad Gateway", "text/html")
        reply = await gate.batch([pay(), pay("again")])

    assert [(it["status"], it["error_code"]) for it in reply["results"]] == [
        ("unknown", "OUTCOME_UNKNOWN"),
        ("skipped", "CHAIN_HALTED"),
    ]
    assert len(there.asked) == 1


async def test_a_write_that_is_refused_for_its_rate_is_known_not_to_have_run(tmp_path: Path) -> None:
    async with shop(tmp_path) as (there, gate):
        there.answers["/orders/1/payment"] = response(b"{}", "429 Too Many Requests", retry_after="40")
        result = by_id(await gate.batch([pay()]))["pay"]

    assert (result["status"], result["error_code"], result["retry_after_s"]) == ("error", "RATE_LIMITED", 40)


async def test_a_read_that_is_refused_in_passing_is_made_again(tmp_path: Path) -> None:
    async with shop(tmp_path, retries=2) as (there, gate):
        there.answers["/orders/1"] = response(b"{}", "503 Busy", retry_after="0")

        async def then_well(writer: asyncio.StreamWriter) -> None:
            there.answers["/orders/1"] = response(b'{"well": true}')
            writer.write(response(b"{}", "503 Busy", retry_after="0"))

        there.answers["/orders/1"] = then_well
        result = by_id(await gate.batch([get("1")]))["c1"]

    assert (result["status"], result["data"], result["attempts"]) == ("ok", {"well": True}, 2)


async def test_an_argument_that_could_leave_the_path_fails_its_call_alone(tmp_path: Path) -> None:
    async with shop(tmp_path) as (there, gate):
        results = by_id(await gate.batch([get("../admin", "bad"), get("1", "good")]))

    assert results["bad"]["error_code"] == "INVALID_ARGUMENTS"
    assert "cannot hold . or .." in results["bad"]["error"]
    assert results["good"]["status"] == "ok"
    assert [asked.target for asked in there.asked] == ["/orders/1"]


async def test_a_slow_body_ends_at_the_calls_own_timeout(tmp_path: Path) -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with shop(tmp_path) as (there, gate):
        there.answers["/orders/1"] = trickle
        result = by_id(await gate.batch([get("1") | {"timeout_s": 0.3}]))["c1"]

    assert (result["status"], result["error_code"]) == ("timeout", "TOOL_TIMEOUT")
    assert result["duration_ms"] < 3_000


async def test_writes_that_nobody_waits_for_any_more_keep_no_other_call_from_going_out(tmp_path: Path) -> None:
    async def never(_writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with shop(tmp_path, concurrency=1) as (there, gate):
        there.answers["/orders/1/payment"] = never
        for _ in range(2):
            unknown = by_id(await gate.batch([pay() | {"timeout_s": 0.1}]))["pay"]
            assert unknown["error_code"] == "OUTCOME_UNKNOWN"
        read = by_id(await gate.batch([get("1") | {"timeout_s": 5}]))["c1"]

    assert read["status"] == "ok"
    assert [asked.path for asked in there.asked] == ["/orders/1/payment", "/orders/1/payment", "/orders/1"]


async def test_a_write_whose_time_is_over_before_there_is_a_connection_has_not_been_sent_and_never_is(
    tmp_path: Path,
) -> None:
    said: list[bytes] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.append(await reader.read(1))  # TLS is never answered
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with shop(tmp_path, http=url) as (_, gate):
            result = by_id(await gate.batch([pay() | {"timeout_s": 0.2}]))["pay"]

    assert said == [b"\x16"]
    assert (result["status"], result["error_code"]) == ("error", "UPSTREAM_UNAVAILABLE")
