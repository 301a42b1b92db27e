"""The address that an operator wrote down, and what lies below it. Pure: no I/O."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

_PORTS = {"http": 80, "https": 443}
_NUMBER = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)(?:\.(?:0[xX][0-9A-Fa-f]*|[0-9]+)){0,3}\.?")
_TARGET = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*")
"""What a path with a query consists of, and no fragment. `%` is followed by two digits, which is checked apart."""
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TEMPLATE = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2}|\{[^{}/]+\})*")
_SLOT = re.compile(r"\{([^{}/]+)\}")
MAX_DECODED = 8
"""Rounds of percent-decoding that are looked through for dot segments."""


class BadAddressError(ValueError):
    """An address that cannot be used. Its text says why, without the address."""


@dataclass(frozen=True, slots=True)
class Base:
    """Scheme, host and port of an upstream, and the path that every request of it lies below."""

    scheme: str
    host: str
    """Without the brackets of an IPv6 address."""
    port: int
    prefix: str = ""
    """Without a slash at its end; empty for the root."""

    @classmethod
    def of(cls, address: str) -> "Base":
        """The base that `address` names.

        Raises:
            BadAddressError: It is no plain web address: it has credentials, a query, dot segments and the like.

        """
        if not address.isprintable():  # urlsplit would leave line breaks out and go on
            raise BadAddressError("it holds a character that no address has")
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise BadAddressError("write an address that begins with http:// or https://") from None
        if parts.scheme not in _PORTS or not host or port == 0:
            raise BadAddressError("write an address that begins with http:// or https://")
        _check_parts(parts, host)
        prefix = parts.path.rstrip("/")
        if prefix and not is_target(prefix):
            raise BadAddressError("its path holds something that is not allowed in one: . or .., or a character")
        return cls(parts.scheme, host, port or _PORTS[parts.scheme], prefix)

    @property
    def origin(self) -> str:
        """Scheme, host and, where it is not the usual one, port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    def holds(self, target: str) -> bool:
        """Whether `target`, a path with or without a query, lies below the prefix and cannot mean anything else."""
        path = target.partition("?")[0]
        return is_target(target) and (path == self.prefix or path.startswith(f"{self.prefix}/"))

    def redirected(self, target: str, location: str) -> "str | None":
        """The target that `location`, as an answer to `target` gives it, leads to; None where that is outside."""
        try:
            parts = urlsplit(urljoin(f"{self.origin}{target}", location))
            port = parts.port
        except ValueError:
            return None
        if parts.scheme not in _PORTS or (parts.scheme, parts.hostname) != (self.scheme, self.host):
            return None
        if (port or _PORTS[parts.scheme]) != self.port or "@" in parts.netloc:
            return None
        found = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return found if self.holds(found) else None


def is_target(target: str) -> bool:
    """Whether `target` is an absolute path, with or without a query, that holds no dot segment in any disguise."""
    if not _TARGET.fullmatch(target) or _BAD_PERCENT.search(target):
        return False
    return not has_dot_segment(target.partition("?")[0])


def has_dot_segment(text: str) -> bool:
    """Whether a server that decodes `text` once, or over and over, may see a segment `.` or `..` in it.

    What does not come to rest within MAX_DECODED rounds counts as one that does.
    """
    for _ in range(MAX_DECODED):
        # Some servers take what follows a semicolon for parameters of the segment.
        if any(part.partition(";")[0].strip() in {".", ".."} for part in re.split(r"[/\\]", text)):
            return True
        decoded = unquote(text)
        if decoded == text:
            return False
        text = decoded
    return True


def slots_of(path: str) -> tuple[str, ...]:
    """The names in `{NAME}` of a path template, in order.

    Raises:
        BadAddressError: It is no path template.

    """
    if not path.startswith("/"):
        raise BadAddressError("a path begins with /")
    if not _TEMPLATE.fullmatch(path) or has_dot_segment(path):
        raise BadAddressError("a path holds letters, digits, -._~!$&'()*+,;=:@ and slots such as {city}, no . or ..")
    names = tuple(_SLOT.findall(path))
    if len(set(names)) < len(names):
        raise BadAddressError("a slot stands in it twice")
    return names


def _check_parts(parts: SplitResult, host: str) -> None:
    if "@" in parts.netloc:
        raise BadAddressError("credentials do not stand in an address: put them into headers")
    if parts.query or parts.fragment or "?" in parts.geturl():
        raise BadAddressError("an address ends with its path: put what follows the ? into query")
    if _NUMBER.fullmatch(host):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise BadAddressError("this host is a number: write an IPv4 address as 127.0.0.1") from None
    if not host.isascii() or "%" in host:
        raise BadAddressError("write the host in ASCII, a name such as münchen.example as xn--mnchen-3ya.example")
