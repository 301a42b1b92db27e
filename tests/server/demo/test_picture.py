"""The picture: what is in it, and that it stands on its own wherever it is shown."""

from xml.etree import ElementTree as ET

import pytest

from headgate.server.demo import story
from headgate.server.demo.picture import picture
from headgate.server.demo.scenes import Scene
from headgate.server.demo.timeline import FAILED, Bar

SVG = "{http://www.w3.org/2000/svg}"
FIRST_S = 4 + 1 / 12
"""Ends in the middle of a cell, where the axis has six cells a second."""
ONE_BY_ONE = Scene(
    (Bar("get_order", "read", "ok", 0, FIRST_S), Bar("get_shipment", "read", "ok", FIRST_S, 10)), 10.0, ()
)
BATCH = Scene((Bar("get_order", "read", "ok", 0, FIRST_S), Bar("get_shipment", "read", "timeout", 0, 5.0)), 5.0, ())


@pytest.fixture
def svg() -> str:
    return picture(ONE_BY_ONE, BATCH)


def bars(svg: str) -> list[dict[str, str]]:
    """Every shape that is a bar, from top to bottom."""
    found = [rect.attrib for rect in ET.fromstring(svg).iter(f"{SVG}rect") if "class" in rect.attrib]  # noqa: S314
    return sorted(found, key=lambda rect: float(rect["y"]))


def words(svg: str) -> list[str]:
    texts = ET.fromstring(svg).iter(f"{SVG}text")  # noqa: S314 -- our own
    return [(text.text or "").replace("\N{NO-BREAK SPACE}", " ") for text in texts]


def test_it_shows_both_ways_their_durations_and_the_saving(svg: str) -> None:
    assert {story.ONE_BY_ONE, "10.00 s", story.AS_BATCH, "5.00 s", "timeout", "10.0 s → 5.0 s   50 % less"} <= set(
        words(svg)
    )
    assert any("5.0 s saved" in text for text in words(svg))


def test_bars_are_as_long_as_their_calls(svg: str) -> None:
    lengths: dict[str, float] = {}
    for bar in bars(svg):
        lengths[bar["y"]] = lengths.get(bar["y"], 0.0) + float(bar["width"])

    first, *others = lengths.values()
    assert [other / first for other in others] == pytest.approx([(10 - FIRST_S) / FIRST_S, 1, 5 / FIRST_S], rel=0.01)


def test_calls_one_by_one_start_where_the_call_before_ended(svg: str) -> None:
    first, second, *_ = bars(svg)

    assert float(second["x"]) == pytest.approx(float(first["x"]) + float(first["width"]), abs=0.1)


def test_a_timeout_has_its_own_colour(svg: str) -> None:
    assert f".{bars(svg)[-1]['class']} {{ fill: {FAILED['timeout']}" in svg


def test_it_loads_nothing_from_elsewhere(svg: str) -> None:
    assert svg.count("http") == svg.count("http://www.w3.org/2000/svg") == 1
    assert "@font-face" not in svg


def test_no_block_characters_are_left_to_the_viewers_font(svg: str) -> None:
    assert not set("█▏▎▍▌▋▊▉▐") & set("".join(text for text in words(svg) if not text.startswith("▏0")))


def test_the_same_run_gives_the_same_picture(svg: str) -> None:
    assert picture(ONE_BY_ONE, BATCH) == svg
