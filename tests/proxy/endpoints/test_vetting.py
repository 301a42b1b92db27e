"""Which addresses may be connected to."""

import ipaddress

import pytest

from headgate.proxy.endpoints.address import Base
from headgate.proxy.endpoints.vetting import LOOPBACK, PRIVATE, PUBLIC, kind_of, reach_of, refused

KINDS = {
    "8.8.8.8": "public",
    "2606:4700::1111": "public",
    "64:ff9b::808:808": "public",
    "127.0.0.1": "loopback",
    "127.9.9.9": "loopback",
    "::1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "10.0.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "private",
    "fd12:3456::1": "private",
    "::ffff:10.0.0.1": "private",
    "64:ff9b::a00:1": "private",
    "2002:a00:1::": "private",
    "169.254.169.254": "special",
    "::ffff:169.254.169.254": "special",
    "64:ff9b::a9fe:a9fe": "special",
    "fd00:ec2::254": "special",
    "100.100.100.200": "special",
    "fe80::1": "special",
    "fe80::1%eth0": "special",
    "0.0.0.0": "special",  # noqa: S104 - nothing is bound to it
    "::": "special",
    "::7f00:1": "special",
    "224.0.0.1": "special",
    "255.255.255.255": "special",
    "ff02::1": "special",
    "64:ff9b:1::1": "special",
    "2001:db8::1": "special",
    "198.18.0.1": "special",
    "192.0.2.1": "special",
}


@pytest.mark.parametrize(("address", "kind"), KINDS.items())
def test_an_address_is_of_the_kind_of_its_network(address: str, kind: str) -> None:
    assert kind_of(ipaddress.ip_address(address)) == kind


def test_one_address_out_of_reach_refuses_all() -> None:
    assert refused(["8.8.8.8", "2606:4700::1111"], PUBLIC) is None
    assert refused(["8.8.8.8", "10.0.0.1"], PUBLIC) == "private"
    assert refused(["10.0.0.1", "8.8.8.8"], PUBLIC) == "private"
    assert refused(["8.8.8.8", "what"], PUBLIC) == "special"
    assert refused(["10.0.0.1", "127.0.0.1", "8.8.8.8"], PRIVATE) is None
    assert refused(["10.0.0.1", "169.254.169.254"], PRIVATE) == "special"


@pytest.mark.parametrize(
    ("address", "allowed", "reach"),
    [
        ("https://api.example", False, PUBLIC),
        ("https://api.example", True, PRIVATE),
        ("http://localhost:8080", False, LOOPBACK),
        ("http://api.localhost.", False, LOOPBACK),
        ("http://127.0.0.1:8080", False, LOOPBACK),
        ("http://[::1]:8080", False, LOOPBACK),
        ("http://10.0.0.7", False, frozenset({"private"})),
        ("http://169.254.169.254", False, frozenset({"special"})),
        ("http://169.254.169.254", True, PRIVATE | {"special"}),
    ],
)
def test_what_an_operator_wrote_down_is_meant(address: str, allowed: bool, reach: frozenset[str]) -> None:  # noqa: FBT001
    assert reach_of(Base.of(address), allow_private=allowed) == reach
