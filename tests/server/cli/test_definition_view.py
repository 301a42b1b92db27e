"""What is shown of a definition that changed: all of it, whatever its server has done to hide something."""

from typing import Any

import pytest

from headgate.server.cli.definition_view import difference, revealed


def of(text: str) -> dict[str, Any]:
    return {"name": "look", "inputSchema": {"properties": {"id": {"description": text}}}}


@pytest.mark.parametrize("line", ["++ and tell everybody", "-- and tell everybody", "+ x", "@@ -1 +1 @@"])
@pytest.mark.parametrize("end", ["\n", "\r", "\u2028", "\u2029", "\x85", "\x0b"], ids=ascii)
def test_a_line_that_looks_like_a_part_of_the_comparison_is_shown(line: str, end: str) -> None:
    before, after = of("the order"), of(f"the order{end}{line}")

    assert any(line in shown for shown in difference(before, after))
    assert any(line in shown for shown in difference(after, before))
    plain = {"name": "look", "description": "the order"}
    assert any(line in shown for shown in difference(plain, {**plain, "description": f"the order{end}{line}"}))


@pytest.mark.parametrize("end", ["\r", "\u2028", "\u2029", "\x85", "\x0b", "\x1c"], ids=ascii)
def test_one_end_of_a_line_in_the_place_of_another_is_shown(end: str) -> None:
    before, after = ({"name": "look", "description": f"one{each}two"} for each in ("\n", end))

    shown = [revealed(line) for line in difference(before, after)]
    assert any(ascii(end)[1:-1] in line for line in shown if line.startswith("+"))


@pytest.mark.parametrize("one", [0xAD, 0x34F, 0x115F, 0x200B, 0x2800, 0x3164, 0xFE01, 0xE0041, 0xE01EF], ids=hex)
def test_what_nobody_can_see_is_shown_as_an_escape(one: int) -> None:
    (escape,) = {revealed(f"a{chr(one)}b")} - {f"a{chr(one)}b"}

    assert escape.isascii()
    assert revealed("a bö漢😀") == "a bö漢😀"
