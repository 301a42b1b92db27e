"""Pins: what is new is pinned as it is, what changed is not believed."""

from typing import Any

import pytest
from tests.proxy.parts import definition

from headgate.proxy.examine import examine
from headgate.proxy.pins import AllPins, Pins
from headgate.tools.rules import Pinning, ToolRules, UpstreamRules
from headgate.tools.trust import Concern


def rules(pin: Pinning) -> UpstreamRules:
    return UpstreamRules(every_tool=ToolRules(pin=pin))


async def concerns(pins: Pins, *definitions: dict[str, Any], pin: Pinning = "flag") -> dict[str, Concern]:
    return dict(pins.concerns("up", await examine(definitions, rules(pin)), rules(pin)))


def locked() -> Pins:
    pins = Pins("headgate.lock")
    pins.load({})
    return pins


LOOK, OTHER = definition("look"), {**definition("look"), "description": "other"}


async def test_what_is_new_is_trusted_and_told_to_whoever_keeps_it() -> None:
    pins, told = locked(), list[int]()
    pins.added = lambda: told.append(1)

    assert await concerns(pins, LOOK) == {}
    fresh = pins.fresh()
    pins.kept(fresh)

    assert list(fresh["up"]) == ["look"]
    assert fresh["up"]["look"].kind == "read"
    assert told == [1]
    assert pins.fresh() == {}


async def test_what_changed_is_doubted_until_it_is_as_it_was() -> None:
    pins = locked()
    await concerns(pins, LOOK)

    found = await concerns(pins, OTHER)
    assert found["look"].doubts
    assert not found["look"].denies
    assert await concerns(pins, LOOK) == {}


async def test_a_tool_that_was_away_is_not_new() -> None:
    pins = locked()
    await concerns(pins, LOOK)
    await concerns(pins)

    assert "look" in await concerns(pins, OTHER)


async def test_strict_lets_through_only_what_was_accepted() -> None:
    pins = locked()

    assert (await concerns(pins, LOOK, pin="strict"))["look"].denies
    assert pins.fresh() == {}

    await concerns(pins, LOOK)
    assert await concerns(pins, LOOK, pin="strict") == {}
    assert (await concerns(pins, OTHER, pin="strict"))["look"].denies


async def test_without_a_file_strict_goes_by_what_was_seen_first() -> None:
    pins = Pins()

    assert await concerns(pins, LOOK, pin="strict") == {}
    assert (await concerns(pins, OTHER, pin="strict"))["look"].denies


async def test_off_looks_at_nothing() -> None:
    pins = locked()

    await concerns(pins, LOOK, pin="off")
    assert await concerns(pins, OTHER, pin="off") == {}
    assert pins.fresh() == {}


async def test_where_the_pins_cannot_be_read_nothing_is_believed_and_nothing_pinned() -> None:
    pins = Pins("headgate.lock")
    pins.load(None)

    found = await concerns(pins, LOOK)
    assert found["look"].doubts
    assert not found["look"].denies
    assert "headgate.lock cannot be read" in found["look"].reason
    assert (await concerns(pins, LOOK, pin="strict"))["look"].denies
    assert pins.fresh() == {}


async def test_pins_that_become_others_are_told_of_once() -> None:
    pins, told = locked(), list[int]()
    await concerns(pins, OTHER)
    accepted: AllPins = pins.fresh()
    pins.kept(accepted)
    pins.load({})
    pins.replaced = lambda: told.append(1)
    await concerns(pins, LOOK)
    pins.kept(pins.fresh())

    pins.load(accepted)
    pins.load(accepted)

    assert told == [1]
    assert await concerns(pins, OTHER) == {}


async def test_what_nobody_has_kept_yet_outlasts_a_reading() -> None:
    pins = locked()
    await concerns(pins, LOOK)

    pins.load({})

    assert "look" in await concerns(pins, OTHER)
    assert "look" in pins.fresh()["up"]


async def test_of_two_tools_with_one_name_the_first_counts_and_what_is_excluded_is_not_looked_at() -> None:
    found = await examine([LOOK, OTHER, definition("away"), {"name": 5}], UpstreamRules(exclude=("away",)))

    (tool,) = found
    assert tool.pin is not None
    assert "description" not in tool.pin.definition


@pytest.mark.parametrize("kind", ["read", "write"])
async def test_an_unfit_definition_is_not_pinned(kind: Any) -> None:
    pins = locked()

    found = await concerns(pins, definition("look", kind, {"$ref": "http://127.0.0.1:9/"}))

    assert found["look"].denies
    assert not found["look"].doubts
    assert pins.fresh() == {}


async def test_no_more_tools_of_one_upstream_are_pinned_than_it_could_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.proxy.pins.MAX_PINNED", 3)
    pins = locked()
    for number in range(3):
        assert await concerns(pins, definition(f"look{number}")) == {}

    found = await concerns(pins, definition("look0"), definition("look3"))
    assert list(found) == ["look3"]
    assert found["look3"].doubts
    assert len(pins.fresh()["up"]) == 3
