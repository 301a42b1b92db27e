"""Answers that are too large to be taken in: the request that one answers fails, and no other."""

import time

import orjson
import pytest
from tests.proxy.line import Line
from tests.timings import SLACK_S
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import CallFailedError
from headgate.proxy.output import TooLong


@in_virtual_time
@pytest.mark.parametrize(
    ("head", "tail"),
    [
        (b'{"jsonrpc":"2.0","id":1,"result":{"text":"xxx', b'xxx"}}'),
        (b'{ "id" : 1 , "result": {"text":"xxx', b'xxx"}}'),
        (b'{"jsonrpc":"2.0","id":"1","error":{"message":"xxx', b'xxx"}}'),
        (b'{"jsonrpc":"2.0","result":{"text":"xxx', b'xxx"},"id":1}'),
        (b'{"result":{"text":"xxx', b'xxx"}, "id": "1", "jsonrpc": "2.0"} \r'),
    ],
)
async def test_an_answer_that_was_too_long_to_be_kept_fails_only_the_request_that_it_answers(
    head: bytes, tail: bytes
) -> None:
    line = Line()
    large, other = (line.rpc.request("m", {}) for _ in range(2))
    line.rpc.lose(TooLong(head, tail, 67_100_000, 8_000_000, ended=True))
    with pytest.raises(CallFailedError, match=r"its answer is too large: it is 67\.1 MB, and 8 MB is the limit"):
        await large.answer()
    line.says(id=2, result={"n": 2})
    assert await other.answer() == {"n": 2}
    assert line.rpc.ignored == 0


@in_virtual_time
@pytest.mark.parametrize(
    ("head", "tail"),
    [
        (b'{"jsonrpc":"2.0","id":7,"result":{"text":"xxx', b'xxx"}}'),
        (b'{"jsonrpc":"2.0","method":"m","params":{"id":1,"text":"xxx', b'xxx"}}'),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"text":"xxx', b'xxx"}}'),
        (b'{"method":"m","params":{"text":"xxx', b'xxx"},"id":1}'),
        (b'{"jsonrpc":"2.0","result":{"text":"xxx', b'xxx","id":1}}'),
        (b'{"jsonrpc":"2.0","result":{"text":"\\"id\\":1,', b'xxx"}}'),
        (b'{"jsonrpc":"2.0","id":007,"result":{"text":"xxx', b'xxx"}}'),
        (b"xxxx", b"xxxx"),
        (b"", b""),
    ],
)
async def test_a_line_that_was_too_long_and_answers_nobody_fails_nobody(head: bytes, tail: bytes) -> None:
    line = Line()
    request = line.rpc.request("m", {})
    line.rpc.lose(TooLong(head, tail, 67_100_000, 8_000_000, ended=False))
    line.says(id=1, result={"n": 1})
    assert await request.answer() == {"n": 1}
    assert line.rpc.ignored == 1


@in_virtual_time
async def test_an_answer_of_too_many_parts_is_too_large_and_is_not_parsed() -> None:
    line = Line()
    request = line.rpc.request("m", {})
    began = time.process_time()
    line.rpc.receive(b'{"jsonrpc":"2.0","id":1,"result":{"lists":[' + b"[]," * 2_000_000 + b"0]}}")
    assert time.process_time() - began < 0.1 + SLACK_S / 10
    with pytest.raises(CallFailedError, match="it holds more than 400,000 lists and objects"):
        await request.answer()


MANY = b'{"key":"value"},' * 300_000


@in_virtual_time
@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","method":"m","params":{"data":[%s0]}}' % MANY,
        b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"data":[%s0]}}' % MANY,
        b'{"jsonrpc":"2.0","id":7,"result":{"data":[%s0]}}' % MANY,
        b'{"jsonrpc":"2.0","method":"m","params":{%s"k":0}}' % b"".join(b'"key %d":0,' % n for n in range(300_000)),
        b'{"jsonrpc":"2.0","method":"m","params":{"data":[%s0]}}' % (b"0," * 1_000_000),
    ],
    ids=["notification", "request", "late answer", "members", "numbers"],
)
async def test_what_nobody_asked_for_is_not_parsed_if_it_holds_much(line: bytes) -> None:
    end = Line()
    request = end.rpc.request("m", {})
    began = time.process_time()
    orjson.loads(line)
    parsed = time.process_time()
    end.rpc.receive(line)
    assert time.process_time() - parsed < (parsed - began) / 2
    assert end.rpc.ignored == 1
    assert end.rpc.unasked > len(line) // 512
    end.says(id=1, result={"n": 1})
    assert await request.answer() == {"n": 1}


@in_virtual_time
@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":1,"result":{"method":"m","data":[%s0]}}' % MANY,
        b'{"jsonrpc":"2.0","result":{"data":[%s0]},"id":1}' % MANY,
        b'{"jsonrpc":"2.0","result":{"data":[%s0]},"id":1,"more":0}' % MANY,
    ],
    ids=["id first", "id last", "id between"],
)
async def test_an_answer_may_hold_more_than_what_nobody_asked_for(line: bytes) -> None:
    end = Line()
    request = end.rpc.request("m", {})
    end.rpc.receive(line)
    assert len((await request.answer())["data"]) == 300_001
