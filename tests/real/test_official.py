"""The official MCP servers, all at once behind one headgate."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.config import write_config
from tests.real.gates import ready_gate
from tests.real.servers import all_upstreams, make_repository

from headgate.server.gate import Gate

pytestmark = pytest.mark.real


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository")


@pytest.fixture
def config(tmp_path: Path, repository: Path) -> Path:
    return write_config(tmp_path, all_upstreams(tmp_path, repository))


def call(tool: str, **arguments: object) -> dict[str, Any]:
    return {"tool": tool, "arguments": arguments}


async def all_ok(gate: Gate, calls: list[dict[str, Any]]) -> list[Any]:
    """The data of each call, all of which must be ok."""
    reply = await gate.batch(calls)
    assert [result for result in reply["results"] if result["status"] != "ok"] == []
    assert reply["outcome"] == "ok"
    return [result.get("data") for result in reply["results"]]


async def test_a_batch_of_mixed_calls_to_five_servers_is_all_answered(
    tmp_path: Path, config: Path, repository: Path
) -> None:
    files, repo = tmp_path / "files", str(repository)
    entity = {"name": "A-17", "entityType": "order", "observations": ["shipped"]}
    calls = [
        *(call("everything__echo", message=f"call {number}") for number in range(4)),
        *(call("everything__get-sum", a=number, b=1) for number in range(4)),
        call("everything__get-structured-content", location="New York"),
        call("everything__get-tiny-image"),
        call("files__list_allowed_directories"),
        call("files__create_directory", path=str(files / "orders")),
        call("files__write_file", path=str(files / "orders/a.txt"), content="A-17\n"),
        call("files__read_text_file", path=str(files / "orders/a.txt")),
        call("files__list_directory", path=str(files / "orders")),
        call("memory__create_entities", entities=[entity]),
        call("memory__read_graph"),
        call("memory__search_nodes", query="A-17"),
        call("git__git_status", repo_path=repo),
        call("git__git_log", repo_path=repo, max_count=1),
        call("git__git_branch", repo_path=repo, branch_type="local"),
        call("time__get_current_time", timezone="UTC"),
        call("time__convert_time", source_timezone="UTC", time="12:00", target_timezone="Asia/Tokyo"),
    ]
    assert len(calls) >= 20
    async with ready_gate(config) as gate:
        data = await all_ok(gate, calls)

    by_tool = {asked["tool"]: answered for asked, answered in zip(calls, data, strict=True)}
    assert data[:4] == [f"Echo: call {number}" for number in range(4)]
    assert data[4:8] == [f"The sum of {number} and 1 is {number + 1}." for number in range(4)]
    assert by_tool["files__read_text_file"]["content"] == "A-17\n"
    assert by_tool["memory__read_graph"]["entities"] == [entity]
    assert "The first order" in by_tool["git__git_log"]
    assert by_tool["time__get_current_time"]["timezone"] == "UTC"


async def test_a_file_written_and_read_back_in_one_batch_is_never_read_wrong(tmp_path: Path, config: Path) -> None:
    wrong: list[tuple[int, Any]] = []
    async with ready_gate(config) as gate:
        path = str(tmp_path / "files" / "counter.txt")
        for number in range(100):
            content = f"number {number}\n" * (1 + number % 7)
            _, read = await all_ok(
                gate,
                [
                    call("files__write_file", path=path, content=content),
                    call("files__read_text_file", path=path),
                ],
            )
            if read["content"] != content:
                wrong.append((number, read))

    assert wrong == []


async def test_add_commit_and_log_in_one_batch_show_the_commit(repository: Path, config: Path) -> None:
    (repository / "orders.txt").write_text("A-17 returned\n")
    repo = str(repository)
    async with ready_gate(config) as gate:
        _, _, log = await all_ok(
            gate,
            [
                call("git__git_add", repo_path=repo, files=["orders.txt"]),
                call("git__git_commit", repo_path=repo, message="The order came back"),
                call("git__git_log", repo_path=repo, max_count=2),
            ],
        )

    assert log.index("The order came back") < log.index("The first order")


async def test_five_entities_created_in_one_batch_stand_in_the_listed_order(tmp_path: Path, config: Path) -> None:
    names = ["placed", "paid", "packed", "shipped", "delivered"]
    steps: list[dict[str, Any]] = [{"name": name, "entityType": "step", "observations": []} for name in names]
    creations = [call("memory__create_entities", entities=[step]) for step in steps]
    async with ready_gate(config) as gate:
        *_, graph = await all_ok(gate, [*creations, call("memory__read_graph")])

    assert [entity["name"] for entity in graph["entities"]] == names
    kept = [json.loads(line) for line in (tmp_path / "memory.jsonl").read_text().splitlines()]
    assert [entity["name"] for entity in kept] == names


async def test_each_tool_is_classed_by_what_its_server_says_of_it(config: Path) -> None:
    async with ready_gate(config) as gate:
        kinds = {tool.qualified: tool.kind for tool in gate.catalogue().tools}

    assert [kinds[name] for name in ("everything__echo", "files__read_text_file", "git__git_log")] == ["read"] * 3
    assert [kinds[name] for name in ("files__write_file", "memory__create_entities", "git__git_commit")] == [
        "write"
    ] * 3
