"""The examples run as their README says, and the README's own batch and config are what headgate takes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mcp
import pytest
from tests.real.gates import stdio_headgate
from tests.upstreams.running import first_line

from headgate.server.settings import parse_settings
from headgate.tools.batch import Batch, parse_batch

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
LIMIT_S = 60


def run_here(*command: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=EXAMPLES,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr
    return done.stdout


def blocks_of(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_embedded_batch_gives_the_order_and_its_payment_and_times_the_shipment_out() -> None:
    lines = run_here("python", "embed.py").splitlines()

    assert [line.split()[:2] for line in lines[1:]] == [["order", "ok"], ["ship", "timeout"], ["payment", "ok"]]


def test_the_embedding_without_async_answers() -> None:
    assert run_here("python", "embed_sync.py").startswith("2 of 2 ok")


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_an_agent_loop_makes_each_answers_calls_as_one_batch(provider: str) -> None:
    first, second, said = run_here("python", f"agent_{provider}.py").splitlines()

    assert (first[:11], second[:11]) == ("answered 3:", "answered 1:")
    assert said == "Order A-17 was paid with P-9001; its parcel: nobody knows where (the look-up timed out)."


def test_the_plan_of_the_example_has_the_payment_in_its_second_stage() -> None:
    plan = json.loads(run_here("headgate", "plan", "triage.json"))

    assert plan["stages"] == [["order", "ship"], ["payment"]]


def test_the_recipe_of_the_example_fits_its_servers_and_is_a_read() -> None:
    assert "ok, 3 upstreams, 1 recipe\n" in run_here("headgate", "check", "--connect")
    tools = json.loads(run_here("headgate", "tools", "--json"))["tools"]

    (recipe,) = [tool for tool in tools if tool["upstream"] is None]
    assert (recipe["name"], recipe["class"]) == ("refund_context", "read")


async def test_the_recipe_of_the_example_gives_the_whole_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    async with mcp.Client(stdio_headgate(EXAMPLES / "headgate.toml")) as client:
        answer = await client.call_tool("refund_context", {"order_id": "A-17"})

    assert answer.structured_content is not None
    assert [it["status"] for it in answer.structured_content["results"]] == ["ok", "timeout", "ok"]


@pytest.fixture
def weather_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    command = [sys.executable, str(EXAMPLES / "weather_api.py"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        monkeypatch.setenv("WEATHER_PORT", first_line(process).rpartition(":")[2])
        try:
            yield
        finally:
            process.terminate()


@pytest.mark.usefixtures("weather_api")
def test_the_http_api_of_the_example_is_there_and_its_tools_are_two_reads_and_a_write() -> None:
    assert "weather\tready" in run_here("headgate", "--config", "weather.toml", "check", "--connect")
    tools = json.loads(run_here("headgate", "--config", "weather.toml", "tools", "--json"))["tools"]

    assert {tool["tool"]: tool["class"] for tool in tools} == {
        "get_weather": "read",
        "list_reports": "read",
        "report": "write",
    }


@pytest.mark.usefixtures("weather_api")
def test_the_batch_of_the_http_example_reads_reports_and_reads_what_it_reported() -> None:
    reply = json.loads(run_here("headgate", "--config", "weather.toml", "call", "weather.json"))

    data = {result["id"]: result["data"] for result in reply["results"]}
    assert reply["outcome"] == "ok"
    assert data["paulo"]["temperature"] == 80.6
    assert data["reports"] == [{"number": 1, "city": "Lyon", "note": "the sky is clear"}]


@pytest.mark.parametrize("document", ["docs/configuration.md", "docs/http-tools.md"])
def test_the_config_in_the_documents_is_one(document: str) -> None:
    for block in blocks_of(document, "toml"):
        assert parse_settings(block, environ={}).notices == ()


@pytest.mark.parametrize("document", ["README.md", "docs/batches.md"])
def test_every_request_in_the_documents_is_a_batch(document: str) -> None:
    blocks = [*blocks_of(document, "json"), *blocks_of(document, "jsonc")]
    requests = [json.loads(re.sub(r"//.*", "", block)) for block in blocks if '"calls"' in block]

    assert requests
    assert all(isinstance(parse_batch(request, max_calls=10), Batch) for request in requests)


def test_the_config_in_the_readme_is_one() -> None:
    (text,) = blocks_of("README.md", "toml")

    settings = parse_settings(text, environ={"ORDERS_TOKEN": "x", "PAYMENTS_TOKEN": "x"})

    assert [*settings.upstreams] == ["orders", "payments"]
    assert settings.notices == ()


def test_an_http_api_that_is_not_there_is_told_by_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEATHER_PORT", "9")
    command = [str(Path(sys.executable).parent / "headgate"), "--config", "weather.toml", "check", "--connect"]
    done = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    assert done.returncode == 1
    assert "weather\tfailed\tcannot connect to localhost" in done.stdout
