"""Search in the catalogue by words."""

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
CATALOGUE = Catalogue(
    [
        Listing(
            "shop", UpstreamRules(), tuple({"name": name, "description": text, **READ} for name, text in TOOLS.items())
        )
    ]
)


def names(query: str, limit: int = 10) -> list[str]:
    return [str(tool["name"]).removeprefix("shop__") for tool in find_tools(CATALOGUE, query, limit)]


def test_no_words_list_every_tool_up_to_the_limit() -> None:
    assert names("") == list(TOOLS)
    assert names(" ?! ", 2) == ["get_order", "listRefunds"]


def test_words_in_the_name_come_before_forms_of_them_and_these_before_the_description() -> None:
    assert names("order") == ["get_order", "listRefunds", "notes"]
    assert names("refund") == ["listRefunds", "notes"]
    assert names("REFUNDS") == ["listRefunds", "notes"]
    assert names("shipment") == ["ship", "notes"]
    assert names("refund order")[0] == "get_order"


def test_what_nothing_matches_finds_nothing() -> None:
    assert names("weather") == []


def test_a_tool_is_shown_with_its_class_the_reason_and_its_schema() -> None:
    (tool,) = find_tools(CATALOGUE, "get_order", 1)

    assert tool == {
        "name": "shop__get_order",
        "class": "read",
        "why": "annotated as read-only",
        "description": "One order",
        "input_schema": {"type": "object"},
    }
