"""Recipes as an operator writes them, and what is told of those that cannot be."""

import re

import pytest
from tests.server.settings.reading import read, told

from headgate.tools.batch import Call
from headgate.tools.recipe import Recipe

REFUND = """
[recipes.refund_context]
description = "Everything needed to judge a refund"
params = { order_id = { type = "string", description = "Such as A-17" }, days = { type = "integer", default = 30 } }
calls = [
  { id = "order", tool = "orders__get_order", arguments = { order_id = { "$param" = "order_id" } } },
  { tool = "shipments__get_shipment", arguments = { days = { "$param" = "days" } }, timeout_s = 2.5 },
  { id = "payment", tool = "payments__get_payment", arguments = { id = { "$from" = "order", path = "$.payment_id" } } },
]
"""


def one(calls: str, params: str = "{ p = { type = 'string' } }") -> list[str]:
    """What is told of a recipe with these calls on its third line; `$p` stands for a use of its param."""
    text = f"[recipes.r]\nparams = {params}\ncalls = [{calls}]"
    return [line.removeprefix("3: recipes.r.") for line in told(re.sub(r"\$p\b", '{ "$param" = "p" }', text))]


def test_a_recipe_is_read_as_it_is_written() -> None:
    recipe = read(REFUND).recipes["refund_context"]

    assert recipe == Recipe(
        "refund_context",
        "Everything needed to judge a refund",
        {
            "order_id": {"type": "string", "description": "Such as A-17"},
            "days": {"type": "integer", "default": 30},
        },
        (
            Call("orders__get_order", {"order_id": {"$param": "order_id"}}, "order"),
            Call("shipments__get_shipment", {"days": {"$param": "days"}}, "c2", timeout_s=2.5),
            Call("payments__get_payment", {"id": {"$from": "order", "path": "$.payment_id"}}, "payment"),
        ),
    )
    assert read(REFUND).notices == ()


def test_a_recipe_without_a_description_says_what_it_calls() -> None:
    recipe = read("[recipes.r]\ncalls = [{ tool = 'a__x' }, { tool = 'b__y' }, { tool = 'a__x' }]").recipes["r"]

    assert recipe.description == "Runs a__x, b__y in one batch"
    assert recipe.params == {}


def test_calls_may_be_tables_of_their_own() -> None:
    text = "[recipes.r]\nparams.p.type = 'string'\n[[recipes.r.calls]]\ntool = 'a__x'\narguments.k.'$param' = 'p'\n"

    assert read(text).recipes["r"].calls == (Call("a__x", {"k": {"$param": "p"}}, "c1"),)
    assert told(text + "toool = 1") == ['6: recipes.r.calls[0].toool: unknown key; did you mean "tool"?']


@pytest.mark.parametrize("name", ["a__b", "a b", "x" * 49, '""', '"ä"', '"a.b"'])
def test_a_recipe_has_a_name_that_clients_take(name: str) -> None:
    key = name if name.startswith('"') else f'"{name}"'
    (line,) = told(f"[recipes.{key}]\ncalls = [{{ tool = 't' }}]")

    assert "a recipe's name is 1 to 48 letters, digits, hyphens and underscores" in line


@pytest.mark.parametrize("name", ["batch_call", "batch_read", "find_tools", "get_result"])
def test_a_recipe_takes_no_name_of_headgates_own(name: str) -> None:
    (line,) = told(f"[recipes.{name}]\ncalls = [{{ tool = 't' }}]")

    assert line == f"1: recipes.{name}: a tool of headgate's own has this name; choose another"


@pytest.mark.parametrize(
    ("schema", "line"),
    [
        ("'string'", "params.p: a param is a JSON Schema: write a table"),
        ("{ type = 'strin' }", "params.p.type: this is not valid in a JSON Schema: write one of string, number"),
        ("{ type = 'integer', minimum = '3' }", "params.p.minimum: this is not valid in a JSON Schema"),
        ("{ pattern = '(' }", "params.p.pattern: this is not valid in a JSON Schema"),
        ("{ '$ref' = 'https://example.com/x' }", "params.p: this is not a JSON Schema that can be used"),
        ("{ '$ref' = '#/$defs/x' }", "params.p: this is not a JSON Schema that can be used"),
        ("{ tpye = 'string' }", 'params.p.tpye: unknown keyword of JSON Schema; did you mean "type"?'),
        ("{ type = 'string', required = true }", "params.p.required: take this out: a param is required unless"),
        ("{ type = 'integer', default = 'x' }", "params.p.default: the rest of this param's schema does not admit"),
        ("{ default = 1979-05-27 }", "params.p.default: JSON has no dates and times of its own: put this in quotes"),
        ("{ maximum = inf }", "params.p.maximum: JSON has no such number"),
        ("{ default = 9223372036854775808 }", "params.p.default: this number is too large"),
        ("{ enum = [1, { a = nan }] }", "params.p.enum[1].a: JSON has no such number"),
    ],
)
def test_a_param_is_a_json_schema_that_admits_its_default(schema: str, line: str) -> None:
    (found,) = told(f"[recipes.r]\nparams = {{ p = {schema} }}\ncalls = [{{ tool = 't', arguments.k.'$param' = 'p' }}]")

    assert found.startswith(f"2: recipes.r.{line}")


def test_a_param_has_a_name_that_clients_take() -> None:
    (line,) = told("[recipes.r]\nparams = { 'a b' = {} }\ncalls = [{ tool = 't', arguments.k.'$param' = 'a b' }]")

    assert "a param's name is 1 to 64 letters, digits, dots, hyphens and underscores" in line


def test_an_unknown_keyword_that_is_like_no_other_is_a_remark() -> None:
    text = "[recipes.r]\nparams = { p = { x-unit = 'days' } }\ncalls = [{ tool = 't', arguments.k.'$param' = 'p' }]"

    assert read(text).recipes["r"].params == {"p": {"x-unit": "days"}}


@pytest.mark.parametrize(
    ("calls", "line"),
    [
        ("{ tool = 't', arguments.k = { '$param' = 'pp' } }, { tool = 't', arguments.k = $p }",
         'calls[0].arguments.k: no param is called "pp"; did you mean "p"?'),
        ("{ tool = 't', arguments.k = [1, { '$param' = 'zzz' }] }, { tool = 't', arguments.k = $p }",
         'calls[0].arguments.k[1]: no param is called "zzz"; the recipe\'s params are those under params = { … }'),
        ("{ tool = 't', arguments.k = { '$param' = 'p', x = 1 } }, { tool = 't', arguments.k = $p }",
         'calls[0].arguments.k: a slot is { "$param" = NAME } and nothing beside it'),
        ("{ tool = 't', arguments.k = { '$param' = 1 } }, { tool = 't', arguments.k = $p }",
         'calls[0].arguments.k: a slot is { "$param" = NAME } and nothing beside it'),
        ("{ tool = 't', arguments = $p }, { tool = 't', arguments.k = $p }",
         "calls[0].arguments: $param stands for the value of an argument, not for all arguments"),
        ("{ tool = 't', arguments.k = $p, timeout_s = $p }",
         "calls[0].timeout_s: $param stands in arguments and as for_each only"),
        ("{ tool = 't', arguments.k = $p, for_each = $p }",
         'calls[0].for_each: for_each takes a list: the param needs type = "array"'),
        ("{ tool = 't', arguments.k = $p, argument = {} }",
         'calls[0].argument: unknown key; did you mean "arguments"?'),
        ("{ tool = 't', arguments = '{}' }, { tool = 't', arguments.k = $p }",
         "calls[0].arguments: arguments are a table: write { NAME = VALUE, … }"),
        ("{ arguments.k = $p }", 'calls[0].tool: "tool" is missing'),
        ("{ tool = 't', arguments.k = $p, timeout_s = 0 }", "calls[0].timeout_s: input should be greater than 0"),
        ("{ tool = 't', arguments.k = $p, id = 'a b' }",
         "calls[0].id: an id is 1 to 64 characters of A-Z a-z 0-9 _ -"),
        ("{ tool = 't', id = 'x', arguments.k = $p }, { tool = 't', id = 'x' }",
         'calls[1].id: id "x" is already that of calls[0]: give each call its own'),
        ("{ tool = 't', arguments.k = $p, depends_on = ['x'] }",
         'calls[0]: it waits for "x", and no call has that id'),
        ("{ tool = 't', arguments = { k = $p, of = { '$from' = 'x' } } }",
         'calls[0]: it waits for "x", and no call has that id'),
        ("{ tool = 't', id = 'x', arguments = { k = $p, of = { '$from' = 'x' } } }",
         "calls[0]: these calls wait for each other: x → x"),
        ("{ tool = 't', arguments.k = { '$from' = $p } }",
         'calls[0].arguments.k: a reference is {"$from": ID, "path": PATH}, with "default" where it may be missing'),
        ("{ tool = 't', id = 'x' }, { tool = 't', arguments.k = { '$from' = 'x', path = $p } }",
         'calls[1].arguments.k: a reference is {"$from": ID, "path": PATH}, with "default" where it may be missing'),
        ("{ tool = 't', arguments.k = { '$format' = $p } }",
         'calls[0].arguments.k."$format": $format is a text with {name} slots'),
        ("{ tool = 't', arguments.k = $p, for_each = [1], select = ['$.['] }",
         'calls[0].select: "$.[" is not an RFC 9535 path'),
        ("{ tool = 'batch_call', arguments.k = $p }", "calls[0].tool: batch_call cannot be part of a batch"),
        ("{ tool = 'r', arguments.k = $p }", "calls[0].tool: this is a recipe, and a recipe cannot be part of one"),
        ("{ tool = 't', arguments = { k = $p, on = 1979-05-27 } }",
         "calls[0].arguments.on: JSON has no dates and times of its own: put this in quotes"),
        ("", "calls: a recipe needs calls: list one at least"),
        ("1", "calls[0]: this is a table: write keys below a [header], or { key = value }"),
    ],
)  # fmt: skip
def test_calls_that_no_batch_could_have_are_told_with_their_place(calls: str, line: str) -> None:
    (found,) = one(calls)

    assert found.startswith(line)


def test_a_recipe_without_calls_is_none() -> None:
    assert told("[recipes.r]") == ["1: recipes.r.calls: a recipe needs calls: list one at least"]


def test_a_param_that_no_call_uses_is_told() -> None:
    assert told("[recipes.r]\nparams.p = {}\ncalls = [{ tool = 't' }]") == [
        "2: recipes.r.params.p: no call uses this param; take it out"
    ]


def test_a_recipe_has_no_more_calls_than_a_batch() -> None:
    (line,) = told("[headgate]\nmax_calls = 1\n[recipes.r]\ncalls = [{ tool = 't' }, { tool = 't' }]")

    assert line.startswith("4: recipes.r.calls: 2 calls, and at most 1 go into one batch")


def test_everything_wrong_with_the_recipes_is_told_at_once() -> None:
    text = """[recipes.a__b]
params = { x = { type = "strin" } }
calls = [
  { tool = "t", arguments = { k = { "$param" = "y" } } },
  { tool = "c", depends_on = ["z"] },
]
[recipes.c]
calls = [{ tool = "a__b", argumets = {} }]
[upstreams.u]
comand = "x"
"""
    assert [line.partition(": ")[0] for line in told(text)] == ["1", "2", "2", "4", "5", "5", "8", "8", "10"]


def test_a_for_each_may_be_a_list_a_reference_or_a_param() -> None:
    text = """[recipes.r]
params = { p = { type = "array" } }
calls = [
  { id = "a", tool = "t", for_each = { "$param" = "p" }, arguments = { k = { "$item" = "$" } } },
  { id = "b", tool = "t", for_each = { "$from" = "a", path = "$" }, arguments = { k = { "$item" = "$" } } },
  { id = "c", tool = "t", for_each = [1, 2], arguments = { k = { "$item" = "$" } } },
]
"""
    assert [call.for_each for call in read(text).recipes["r"].calls] == [
        {"$param": "p"},
        {"$from": "a", "path": "$"},
        [1, 2],
    ]
