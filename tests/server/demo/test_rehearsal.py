"""What the demo does where it cannot go as planned."""

from dataclasses import replace
from io import StringIO

from rich.console import Console

from headgate.proxy.target import StdioTarget
from headgate.server.demo.rehearsal import NotUp, perform, settings
from headgate.server.demo.stage import Stage


async def test_a_sample_server_that_does_not_start_ends_the_demo_with_its_name() -> None:
    planned = settings()
    broken = replace(planned.upstreams["payments"], target=StdioTarget("headgate-no-such-program"))

    ended = await perform(
        Stage(Console(file=StringIO())), replace(planned, upstreams=dict(planned.upstreams) | {"payments": broken})
    )

    assert isinstance(ended, NotUp)
    assert [server.partition(" ")[0] for server in ended.servers] == ["payments"]
