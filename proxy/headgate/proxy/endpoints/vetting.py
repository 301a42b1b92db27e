"""Which addresses may be connected to. Pure: names are resolved elsewhere.

A name under somebody else's control can stand for any address, that of a machine's own services or of a cloud's
metadata included, and can stand for another one a moment later. So addresses are judged, not names, and the connection
goes to one that was judged.
"""

import ipaddress
from collections.abc import Sequence
from typing import Literal

from headgate.proxy.endpoints.address import Base

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Kind = Literal["public", "private", "loopback", "special"]
"""`special` is what no operator means by a private network: link-local, metadata, multicast, and what is no address."""
Reach = frozenset[Kind]
"""The kinds that an upstream may be connected to at."""

PUBLIC: Reach = frozenset(("public",))
LOOPBACK: Reach = frozenset(("loopback",))
PRIVATE: Reach = frozenset(("public", "private", "loopback"))

_PRIVATE = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8", "100.100.100.200/32", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
            "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
            "::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16",
            "fd00:ec2::/32", "fd20:ce::254/128", "fe80::/9", "ff00::/8",
        ),
    )
)  # fmt: skip
"""Reserved, for documentation, link-local, multicast, and the metadata services of clouds that stand elsewhere."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def kind_of(address: IPAddress) -> Kind:
    """What kind of network `address` is in; one that holds an IPv4 address is what that is."""
    inner = _embedded(address)
    if inner is not None:
        return kind_of(inner)
    if address.is_loopback:
        return "loopback"
    if any(address in network for network in _SPECIAL):
        return "special"
    if any(address in network for network in _PRIVATE):
        return "private"
    # What else is not globally reachable has been assigned since.
    return "public" if address.is_global else "special"


def _embedded(address: IPAddress) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.sixtofour is not None:
        return address.sixtofour
    return address.ipv4_mapped


def reach_of(base: Base, *, allow_private: bool) -> Reach:
    """Where requests to `base` may go.

    An address that the operator wrote down as such is meant; so is the machine itself under the name localhost.
    """
    written = literal(base.host)
    if written is not None:
        meant: Reach = frozenset((kind_of(written),))
        return PRIVATE | meant if allow_private else meant
    if allow_private:
        return PRIVATE
    name = base.host.rstrip(".").lower()
    return LOOPBACK if name == "localhost" or name.endswith(".localhost") else PUBLIC


def literal(host: str) -> IPAddress | None:
    """The address that `host` is; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def refused(addresses: Sequence[str], reach: Reach) -> Kind | None:
    """The kind of the first of `addresses` that is out of `reach`; None where all are within.

    One that is not refuses all: a name that stands for a public and a private address at once is an attack or an error.
    """
    for text in addresses:
        address = literal(text)
        kind = "special" if address is None else kind_of(address)
        if kind not in reach:
            return kind
    return None
