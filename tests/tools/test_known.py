"""What is known of a recipe's calls before it runs."""

from tests.tools.building import batch_of, call, ref

from headgate.tools.known import known_part
from headgate.tools.recipe import Recipe


def test_only_what_a_call_waits_for_or_is_given_is_unknown() -> None:
    each = {
        **call("t", "e", a={"$item": "$"}, b={"$format": "{x}", "x": 1}, c={"$param": "key"}, d=[1, {"f": ref("x")}]),
        "for_each": [1],
    }
    recipe = Recipe("r", "", {"key": {}, "days": {"default": {"n": 30}}}, batch_of(call("t", "x"), each).calls)

    _, known = known_part(recipe)

    assert known.call.id == "e"
    assert known.arguments == {"a": None, "b": None, "c": None, "d": [1, {"f": None}]}
    assert known.unknown == {("a",), ("b",), ("c",), ("d", 1, "f")}


def test_a_param_that_need_not_be_given_is_known_as_its_default() -> None:
    written = call("t", "x", plain=5, in_it=[{"$param": "days"}])
    (known,) = known_part(Recipe("r", "", {"days": {"default": {"$from": "y"}}}, batch_of(written).calls))

    assert known.arguments == {"plain": 5, "in_it": [{"$from": "y"}]}
    assert known.unknown == frozenset()
