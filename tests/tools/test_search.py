"""Search in the catalogue by words."""

from collections.abc import Mapping

from tests.tools.building import READ

from headgate.tools.catalogue import Catalogue, Listing
from headgate.tools.rules import UpstreamRules
from headgate.tools.search import find_tools

TOOLS = {
    "get_order": "One order",
    "listRefunds": "Every refund of an order",
    "ship": "Send a parcel",
    "notes": "Write on a refund, an order or a shipment",
}


def names(query: str, limit: int = 10, tools: Mapping[str, str] = TOOLS) -> list[str]:
    definitions = tuple({"name": name, "description": text, **READ} for name, text in tools.items())
    catalogue = Catalogue([Listing("shop", UpstreamRules(), definitions)])
    return [str(tool["name"]).removeprefix("shop__") for tool in find_tools(catalogue, query, limit)]


def test_no_words_list_every_tool_up_to_the_limit() -> None:
    assert names("") == list(TOOLS)
    assert names(" ?! ", 2) == ["get_order", "listRefunds"]


def test_words_in_the_name_come_before_forms_of_them_and_these_before_the_description() -> None:
    assert names("order") == ["get_order", "listRefunds", "notes"]
    assert names("refund") == ["listRefunds", "notes"]
    assert names("REFUNDS") == ["listRefunds", "notes"]
    assert names("shipment") == ["ship", "notes"]
    assert names("refund order")[0] == "get_order"


def test_a_word_in_the_name_weighs_as_much_as_two_forms_of_words() -> None:
    assert names("red order", tools={"order": "", "orders_redone": ""}) == ["order", "orders_redone"]
    assert names("red order", tools={"orders_redone": "", "order": ""}) == ["orders_redone", "order"]


def test_a_word_has_forms_if_it_has_three_letters() -> None:
    assert names("tag", tools={"tags": ""}) == ["tags"]
    assert names("ta", tools={"tags": ""}) == []


def test_what_nothing_matches_finds_nothing() -> None:
    assert names("weather") == []


def test_a_tool_is_shown_with_its_class_the_reason_and_its_schema() -> None:
    definition = {"name": "get_order", "description": "One order", **READ}
    (tool,) = find_tools(Catalogue([Listing("shop", UpstreamRules(), (definition,))]), "get_order", 1)

    assert tool == {
        "name": "shop__get_order",
        "class": "read",
        "why": "annotated as read-only",
        "description": "One order",
        "input_schema": {"type": "object"},
    }
