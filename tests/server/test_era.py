"""A client over stdio is served in the era that its first request is of, whatever comes before that."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp_types import INVALID_REQUEST
from tests.server.processes import INITIALIZE, INITIALIZED, Lines, request, running, serving

CLIENT = {"name": "test", "version": "1"}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
NEWER: dict[str, Any] = {"_meta": ENVELOPE}


@pytest.fixture
def headgate(tmp_path: Path) -> Iterator[Lines]:
    with running(serving(tmp_path / "log.jsonl")) as lines:
        yield lines


def test_a_session_that_opened_with_the_handshake_takes_no_request_of_the_newer_era(headgate: Lines) -> None:
    headgate.shake_hands()
    headgate.send(request(1, "tools/list", NEWER), request(2, "ping", {}))

    answers = {answer["id"]: answer for answer in (headgate.answer(), headgate.answer())}

    assert answers[1]["error"]["code"] == INVALID_REQUEST
    assert answers[2]["result"] == {}


def test_one_that_opened_with_a_request_of_the_newer_era_is_of_that_era(headgate: Lines) -> None:
    headgate.send(request(1, "tools/list", NEWER), request(2, "initialize", INITIALIZE))

    answers = {answer["id"]: answer for answer in (headgate.answer(), headgate.answer())}

    assert answers[1]["result"]["resultType"] == "complete"
    assert "error" in answers[2]


def test_what_comes_before_the_first_request_does_not_decide_and_is_not_lost(headgate: Lines) -> None:
    ahead = [b"no JSON\n", INITIALIZED] * 20
    headgate.send(*ahead, request(1, "initialize", INITIALIZE), request(2, "ping", {}))

    answers = {answer["id"]: answer for answer in (headgate.answer(), headgate.answer())}

    assert answers[1]["result"]["serverInfo"]["name"] == "headgate"
    assert answers[2]["result"] == {}


def test_a_client_that_leaves_without_a_request_ends_it(headgate: Lines) -> None:
    headgate.close_stdin()

    assert headgate.process.wait(5) == 0
