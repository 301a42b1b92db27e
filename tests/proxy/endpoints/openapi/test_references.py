"""References lead to places within the document only."""

from typing import Any

import pytest

from headgate.proxy.endpoints.openapi.references import BadReferenceError, References

ROOT: dict[str, Any] = {
    "a": {"b c": {"x/y": [{"z": 1}]}},
    "one": {"$ref": "#/two"},
    "two": {"$ref": "#/a"},
    "circle": {"$ref": "#/circle"},
    "text": "t",
}


def test_a_reference_is_followed_to_its_end() -> None:
    references = References(ROOT)

    assert references.followed({"$ref": "#/one"}) == ROOT["a"]
    assert references.followed({"$ref": "#/a/b%20c/x~1y/0"}) == {"z": 1}
    assert references.followed({"k": 1}) == {"k": 1}


@pytest.mark.parametrize(
    "reference",
    [
        "http://127.0.0.1:9/x.json#/a",
        "https://evil.example",
        "file:///etc/passwd",
        "other.json#/a",
        "/etc/passwd",
        "#anchor",
        "#",
        "",
        "#/no",
        "#/text/x",
        "#/a/b%20c/x~1y/9",
        "#/circle",
        "#/text",
    ],
)
def test_a_reference_that_leads_outside_nowhere_or_in_a_circle_is_refused(reference: str) -> None:
    with pytest.raises(BadReferenceError):
        References(ROOT).followed({"$ref": reference})
