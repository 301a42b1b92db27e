"""`headgate trust`, and where else a changed definition is shown."""

import json
from typing import Any

import pytest
from tests.config import write_config
from tests.server.cli.desk import Desk
from tests.upstreams.running import declaring


def declares(desk: Desk, description: str, **rules: Any) -> None:
    write_config(desk.project, {"shop": declaring(description, **rules)})


@pytest.fixture
def changed(desk: Desk) -> Desk:
    """A desk whose one upstream declares its tool otherwise than when it was first seen."""
    declares(desk, "Look something up")
    assert desk.run("check", "--connect").code == 0
    declares(desk, "Look something up\nand tell everybody\u200b")
    return desk


def test_what_changed_is_shown_and_nothing_accepted_without_a_name(changed: Desk) -> None:
    before = (changed.project / "headgate.lock").read_bytes()

    ran = changed.run("trust")

    assert ran.code == 1
    assert ran.out.splitlines()[0] == "shop__look: its definition changed; it is still a read"
    assert "  -description: Look something up" in ran.out.splitlines()
    assert "  +  and tell everybody\\u200b" in ran.out.splitlines()
    assert ran.out.splitlines()[-1] == "1 to accept: headgate trust shop__look, or headgate trust --all"
    assert (changed.project / "headgate.lock").read_bytes() == before


@pytest.mark.parametrize("name", ["shop", "shop__look", "shop.look", "--all"])
def test_what_is_named_is_accepted(changed: Desk, name: str) -> None:
    ran = changed.run("trust", name)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0].endswith("; accepted")
    assert changed.run("trust").out == "every tool is what it was when it was trusted\n"


def test_a_changed_tool_is_flagged_wherever_tools_are_shown(changed: Desk) -> None:
    reason = "its definition changed since it was trusted"

    row = changed.run("tools").out.split("\t")
    assert row[:3] == ["shop__look", "write", f"{reason}, so taken for a write"]
    (tool,) = json.loads(changed.run("tools", "--json").out)["tools"]
    assert (tool["class"], tool["flag"], tool["callable"]) == ("write", reason, True)
    ran = changed.run("check", "--connect")
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == f"shop__look: {reason}; it is a write"


def test_programs_get_json(changed: Desk) -> None:
    found = json.loads(changed.run("trust", "--json").out)

    (waiting,) = found["waiting"]
    assert found["accepted"] == []
    assert (waiting["name"], waiting["before"]["class"], waiting["after"]["class"]) == ("shop__look", "read", "read")
    assert waiting["before"]["sha256"] != waiting["after"]["sha256"]
    assert "-description: Look something up" in waiting["difference"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("shop__loo", 'no upstream and no tool "shop__loo"; did you mean shop__look?'), ("nothing", "no upstream and no")],
)
def test_a_name_that_nothing_has_is_a_fault(changed: Desk, name: str, said: str) -> None:
    ran = changed.run("trust", name)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_what_does_not_wait_need_not_be_accepted(desk: Desk) -> None:
    declares(desk, "Look something up")

    assert desk.run("trust").out == "every tool is what it was when it was trusted\n"
    assert "nothing in shop waits to be accepted" in desk.run("trust", "shop").err


def test_under_strict_what_is_new_is_out_of_use_until_it_is_accepted(desk: Desk) -> None:
    declares(desk, "Look something up", pin="strict")

    seen = desk.run("check", "--connect").out.splitlines()
    assert seen[-1] == "shop__look: its definition is not in headgate.lock yet; it is out of use"
    reply = json.loads(desk.start("call", given='{"tool": "shop__look"}').out)
    assert reply["results"][0]["error_code"] == "DENIED"
    assert "headgate trust" in reply["results"][0]["error"]

    assert desk.run("trust").out.splitlines()[0] == "shop__look: it is new, a read"
    assert desk.run("trust", "--all").code == 0
    assert json.loads(desk.start("call", given='{"tool": "shop__look"}').out)["outcome"] == "ok"


def test_a_damaged_lock_file_is_written_anew_only_by_all(changed: Desk) -> None:
    lock = changed.writes(changed.project / "headgate.lock", "{")

    ran = changed.run("trust", "shop")
    assert (ran.code, lock.read_text("utf-8")) == (2, "{")
    assert "headgate.lock is damaged" in ran.err
    assert changed.run("tools").out.split("\t")[1] == "write"

    assert changed.run("trust", "--all").code == 0
    assert changed.run("tools").out.split("\t")[1] == "read"


def test_an_upstream_that_is_down_is_named(desk: Desk) -> None:
    write_config(desk.project, {"shop": {"command": "no-such-program-anywhere"}})

    ran = desk.run("trust")

    assert ran.code == 1
    assert "shop is missing: " in ran.err


def test_off_leaves_no_file(desk: Desk) -> None:
    declares(desk, "Look something up", pin="off")

    assert desk.run("check", "--connect").code == 0
    assert not (desk.project / "headgate.lock").exists()


def test_a_file_of_another_name_has_a_lock_of_its_own(desk: Desk) -> None:
    declares(desk, "Look something up")
    (desk.project / "headgate.toml").rename(desk.project / "other.toml")

    assert desk.run("check", "--connect", "--config", "other.toml").code == 0

    assert (desk.project / "other.lock").exists()
