"""Answers that are too large to be taken in: the request that one answers fails, and no other."""

import time

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
        (b'{"jsonrpc":"2.0","result":{"text":"xxx', b'xxx","id":1}}'),
        (b'{"jsonrpc":"2.0","result":{"text":"\\"id\\":1,', b'xxx"}}'),
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
