"""Where a tool's upstream takes idempotency keys."""

import pytest
from tests.server.settings.reading import one_upstream, read, told

from headgate.tools.rules import Forward

STDIO = "command = 'x'\n"
HTTP = "url = 'https://u.example/mcp'\n"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{ header = 'Idempotency-Key' }", Forward("header", "Idempotency-Key")),
        ("{ argument = 'request_id' }", Forward("argument", "request_id")),
        ("{ meta = 'example.com/key' }", Forward("meta", "example.com/key")),
    ],
)
def test_a_key_can_go_into_a_header_an_argument_or_the_meta(written: str, expected: Forward) -> None:
    rules = one_upstream(f"{HTTP}tools.t.idempotency = {written}").rules.of("t")

    assert rules.forward == expected
    assert rules.repeatable


def test_a_write_may_be_repeated_only_where_the_operator_says_something_that_makes_it_safe() -> None:
    assert not one_upstream(f"{STDIO}tools.t.class = 'write'").rules.of("t").repeatable
    assert one_upstream(f"{STDIO}tools.t.idempotent = true").rules.of("t").repeatable


@pytest.mark.parametrize(
    ("where", "written", "part"),
    [
        (HTTP, "{}", "in one place"),
        (HTTP, "{ header = 'A', meta = 'b' }", "in one place"),
        (HTTP, "{ heder = 'A' }", "in one place"),
        (HTTP, "{ argument = ' ' }", "the name is empty"),
        (HTTP, "{ header = 'Idempotency Key' }", "letters, digits and hyphens"),
        (HTTP, "{ header = 'Authorization' }", "not free to carry a key"),
        (HTTP, "{ header = 'Mcp-Session-Id' }", "not free to carry a key"),
        (HTTP + "transport = 'sse'\n", "{ header = 'Idempotency-Key' }", "the SSE transport takes no headers"),
        (STDIO, "{ header = 'Idempotency-Key' }", "a server that is started takes no headers"),
    ],
)
def test_what_could_not_carry_a_key_is_told_with_its_line(where: str, written: str, part: str) -> None:
    (line,) = told(f"[upstreams.u]\n{where}[upstreams.u.tools.t]\nidempotency = {written}")

    assert line.startswith(f"{where.count(chr(10)) + 3}: upstreams.u.tools.t.idempotency: ")
    assert part in line


ENDPOINT = (
    "[upstreams.u]\nhttp = 'https://x'\n[upstreams.u.tools.t]\npath = '/'\nmethod = 'POST'\nbody = ['request_id']\n"
)


@pytest.mark.parametrize("written", ["{ header = 'Idempotency-Key' }", "{ argument = 'request_id' }"])
def test_an_endpoint_takes_a_key_in_a_header_or_an_argument_of_its_own(written: str) -> None:
    assert read(f"{ENDPOINT}idempotency = {written}").upstreams["u"].rules.of("t").forward is not None


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("{ meta = 'a/b' }", "plain HTTP has no meta"),
        ("{ argument = 'key' }", "no argument of this tool has that name"),
    ],
)
def test_a_key_that_an_endpoint_would_not_get_is_told(written: str, part: str) -> None:
    (line,) = told(f"{ENDPOINT}idempotency = {written}")

    assert part in line
