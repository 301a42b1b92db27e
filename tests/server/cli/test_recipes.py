"""Recipes as the commands show them."""

import json

from tests.config import write_config
from tests.server.cli.desk import Desk
from tests.upstreams.running import recorder_upstream


def test_recipes_are_listed_and_held_against_their_upstreams(desk: Desk) -> None:
    waits = {"tool": "rec__wait", "arguments": {"ms": 1, "tag": "r"}}
    fits = {"calls": [waits], "description": "Waits"}
    upstreams = {"rec": recorder_upstream(desk.home / "log")}
    write_config(desk.project, upstreams, recipes={"fits": fits})
    assert desk.start("tools").out.splitlines()[-1] == "fits\tread\teach of its calls is a read\t\tWaits"
    *_, listed = json.loads(desk.start("tools", "--json").out)["tools"]
    assert (listed["name"], listed["upstream"], listed["timeout_s"]) == ("fits", None, None)
    ran = desk.start("check", "--connect")
    assert ran.code == 0
    assert ran.out.splitlines()[0].endswith("headgate.toml: ok, 1 upstream, 1 recipe")

    write_config(desk.project, upstreams, recipes={"fits": fits, "lost": {"calls": [{"id": "x", "tool": "rec__wiat"}]}})
    ran = desk.start("check", "--connect")
    fault = 'recipe "lost", call "x": upstream "rec" has no tool "wiat"; did you mean "wait"?'
    assert ran.code == 1
    assert ran.out.splitlines()[0].endswith("headgate.toml: ok, 1 upstream, 2 recipes")
    assert ran.out.splitlines()[-1] == fault
    ran = desk.start("check", "--connect", "--json")
    told = json.loads(ran.out)
    assert (ran.code, told["recipes"], told["faults"]) == (1, ["fits", "lost"], [fault])
    assert desk.start("check").code == 0
    ran = desk.start("call", "--log-json", given=json.dumps([waits]))
    assert json.loads(ran.out)["outcome"] == "ok"
