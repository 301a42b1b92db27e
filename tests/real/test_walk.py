"""README.md's walk with clients that are none of ours, over either transport: the same answers, and the right ones."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.real.gates import http_headgate, serve_command
from tests.real.walking import LONG, TOKEN, WALKERS, Era, Walker, steps, walk, walk_config

pytestmark = pytest.mark.real
OWN = {"batch_call", "batch_read", "find_tools", "get_result"}
SUMMARY = "3 of 4 ok in N s (one by one: N s). ship: TOOL_TIMEOUT"
"""As README.md shows it."""


async def walks(tmp_path: Path, era: Era, transport: str) -> dict[str, dict[str, Any]]:
    """What each client saw that knows the era, all at the same time, each with a headgate of its own."""
    seen: dict[str, dict[str, Any]] = {}

    async def one(walker: Walker) -> None:
        with_token = transport == "HTTP with a token"
        config = walk_config(tmp_path / walker.name, with_token=with_token)
        if transport == "stdio":
            seen[walker.name] = await walk(walker, era, config, {"command": serve_command(config)})
            return
        with http_headgate(config, [] if with_token else ["--no-auth"]) as url:
            seen[walker.name] = await walk(walker, era, config, {"url": url, "token": TOKEN if with_token else None})

    async with anyio.create_task_group() as clients:
        for walker in WALKERS:
            if era in walker.eras:
                clients.start_soon(one, walker)
    return seen


def counts(seen: dict[str, Any]) -> dict[str, int]:
    return seen["structuredContent"]["counts"]


@pytest.mark.parametrize(("era", "transport"), [
    ("2025", "stdio"), ("2025", "HTTP with a token"), ("2026-07-28", "stdio"), ("2026-07-28", "HTTP"),
])  # fmt: skip
async def test_clients_of_either_language_walk_through_the_readme_and_see_the_same(
    tmp_path: Path, era: Era, transport: str
) -> None:
    walked = await walks(tmp_path, era, transport)

    seen, *others = walked.values()
    assert list(seen) == ["connected", *(step["name"] for step in steps())]
    assert len(others) == sum(era in walker.eras for walker in WALKERS) - 1
    assert [other for other in others if other != seen] == []

    listed = dict(seen["tools"])
    assert {name for name in OWN if listed[name]} == OWN - {"batch_call"}
    assert (listed["orders__get_order"], listed["payments__create_refund"]) == (True, False)
    assert seen["ready"]["structuredContent"]["tools"][0]["name"] == "payments__create_refund"
    assert seen["refused"]["structuredContent"]["outcome"] == "refused"
    assert seen["planned"]["structuredContent"]["stages"] == [["order", "ship"], ["payment"], ["refund"]]
    assert counts(seen["batch"]) == {"ok": 3, "timeout": 1}
    assert seen["batch"]["structuredContent"]["summary"] == SUMMARY
    assert seen["for each"]["structuredContent"]["results"][1]["data"] == ["Echo: LAMP-12", "Echo: BULB-E27"]
    assert seen["cut"]["cut"]
    assert seen["cut"]["text"] == f"Echo: {LONG}"
    assert seen["passed"]["structuredContent"]["name"] == "Ines Moreau"
    assert seen["passed error"]["isError"]
    assert [block["type"] for block in seen["image"]["content"]] == ["text", "image", "text"]
    codes = ["UNKNOWN_TOOL", "INVALID_ARGUMENTS", "TOOL_ERROR", "DEPENDENCY_FAILED"]
    assert [result["error_code"] for result in seen["errors"]["structuredContent"]["results"]] == codes
    assert seen["circle"]["structuredContent"]["problems"][0]["code"] == "CYCLE"
    assert [len(seen[step]["asked"]) for step in ("declined", "allowed", "allowed alone")] == [1, 1, 1]
    assert seen["declined"]["answer"]["structuredContent"]["results"][0]["error_code"] == "DENIED"
    assert counts(seen["allowed"]["answer"]) == {"ok": 1}
    assert seen["allowed alone"]["answer"]["structuredContent"]["id"] == "N-2"
    assert seen["passed progress"]["seen"] == [[1, 2]]
    assert seen["batch progress"]["seen"][0] == [0, 1]
    assert (seen["cancelled"], seen["cancelled batch"]) == ("cancelled", "cancelled")
    assert "Lyon" in seen["prompts"]["messages"][0]["content"]["text"]
    assert seen["completed"] == ["Engineering"]
    assert "Everything Server" in seen["resources"]["contents"][0]["text"]
    assert seen["changed"] == "late__get_order"
