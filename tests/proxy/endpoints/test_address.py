"""Addresses: what one may be, and what lies below it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.proxy.endpoints.address import BadAddressError, Base, has_dot_segment, is_target, slots_of


@pytest.mark.parametrize(
    ("address", "base", "origin"),
    [
        ("https://api.example", Base("https", "api.example", 443), "https://api.example"),
        ("HTTPS://API.example/", Base("https", "api.example", 443), "https://api.example"),
        ("http://api.example:8080/v1/", Base("http", "api.example", 8080, "/v1"), "http://api.example:8080"),
        ("https://api.example:443/a%20b", Base("https", "api.example", 443, "/a%20b"), "https://api.example"),
        ("http://[::1]:80/v1", Base("http", "::1", 80, "/v1"), "http://[::1]"),
        ("http://10.0.0.7", Base("http", "10.0.0.7", 80), "http://10.0.0.7"),
    ],
)
def test_an_address_is_an_origin_and_a_path(address: str, base: Base, origin: str) -> None:
    assert Base.of(address) == base
    assert base.origin == origin


@pytest.mark.parametrize(
    "address",
    [
        "", "x", "//x", "ftp://x", "file:///etc/passwd", "http://", "http:///a", "http://x:0", "http://x:99999",
        "http://x:port", "http://[::1", "http://u@x", "http://u:p@x", "http://x?a", "http://x/?a=b", "http://x#a",
        "http://x/..", "http://x/a/../b", "http://x/%2e%2e/b", "http://x/%252e%252e", "http://x/a\\..\\b",
        "http://x/a b", "http://x/a\nb", "http://2130706433", "http://0x7f000001", "http://0177.0.0.1", "http://127.1", "http://1.2.3.4.",
        "http://münchen.example", "http://[fe80::1%25eth0]",
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(address: str) -> None:
    with pytest.raises(BadAddressError):
        Base.of(address)


@pytest.mark.parametrize("target", ["/v1", "/v1/", "/v1/a", "/v1/a?b=/../c", "/v1?a", "/v1/a%2Fb", "/v1/..a/b.."])
def test_what_lies_below_is_held(target: str) -> None:
    assert Base.of("https://x/v1").holds(target)


@pytest.mark.parametrize(
    "target",
    ["", "/", "/v", "/v10", "/v1x/a", "v1/a", "//v1/a", "/v1/../a", "/v1/%2E./a", "/v1/a#b", "/v1/a b", "/v1/%"],
)
def test_what_does_not_is_not(target: str) -> None:
    assert not Base.of("https://x/v1").holds(target)


@given(st.text())
def test_a_redirect_leads_below_the_same_address_or_nowhere(location: str) -> None:
    base = Base.of("https://x/v1")
    target = base.redirected("/v1/a", location)

    assert target is None or (base.holds(target) and is_target(target))


@given(st.text(alphabet="./\\%25eEfFcC;a "))
def test_a_text_without_dot_segments_has_none_however_often_it_is_decoded(text: str) -> None:
    from urllib.parse import unquote

    if has_dot_segment(text):
        return
    for _ in range(10):
        assert not {".", ".."} & {part.strip() for part in text.replace("\\", "/").split("/")}
        text = unquote(text)


def test_the_slots_of_a_path_are_named_in_order() -> None:
    assert slots_of("/a/{b}/c-{d e}.json") == ("b", "d e")
    assert slots_of("/") == ()


@pytest.mark.parametrize(
    "path", ["", "a", "/a?b", "/a#b", "/a b", "/../a", "/a/%2e", "/{a}/{a}", "/{}", "/{a", "/a}", "/{a/b}"]
)
def test_what_is_no_path_template_is_refused(path: str) -> None:
    with pytest.raises(BadAddressError):
        slots_of(path)
