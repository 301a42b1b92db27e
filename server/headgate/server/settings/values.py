"""The small languages of the file: durations, sizes, rates, counts and shares. Each refusal says what to write."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import cast

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m)")
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(B|KB|MB)")
_RATE = re.compile(r"([0-9]{1,9})/(s|min|h)")
_SLOT = re.compile(r"\{[^{}]+\}")
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60)}
_BYTES = {"B": 1, "KB": 1_000, "MB": 1_000_000}
_PERIOD_S = {"s": 1.0, "min": 60.0, "h": 3600.0}

# The bounds are there to catch a slip of a unit or of a zero, not to say what is wise.
LONGEST_S = 24 * 3600
LONGEST_KEPT_S = 300
LARGEST_BYTES = 100_000_000
FASTEST = 1_000_000
_SHOWN_CHARACTERS = 40


def duration(value: object) -> float:
    """Seconds of a duration such as `250ms`, `2.5s` or `1m`.

    Raises:
        ValueError: it is none, is zero, or is longer than a day.

    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f'a duration stands in quotes with its unit: write "{value}s" if seconds are meant')  # noqa: TRY004
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{shown(value)} is not a duration: write one such as "250ms", "2.5s" or "1m"')
    seconds = float(Decimal(found[1]) * _SECONDS[found[2]])
    if not 0 < seconds <= LONGEST_S:
        raise ValueError(f'{shown(value)} is out of range: more than "0s", at most "1440m"')
    return seconds


def kept(value: object) -> float:
    """Seconds for which an answer is kept: a duration of at most 5 minutes, since nobody knows how long it stays true.

    Raises:
        ValueError: it is none, or a longer one.

    """
    seconds = duration(value)
    if seconds > LONGEST_KEPT_S:
        raise ValueError(f'{shown(value)} is out of range: more than "0s", at most "5m"')
    return seconds


def resource(value: object) -> object:
    """What a tool's calls touch: a text with an argument's name in braces, or several.

    Raises:
        ValueError: a brace is not closed, or stands alone: all calls would touch the same then.

    """
    if isinstance(value, str) and not set("{}").isdisjoint(_SLOT.sub("", value)):
        raise ValueError('each { needs its } with an argument\'s name between them, as in "order:{order_id}"')
    return value


def size(value: object) -> int:
    """Bytes of a size such as `500B`, `8KB` or `1MB`; 1 KB is 1000 bytes, as in SI.

    Raises:
        ValueError: it is none, is zero, is no whole number of bytes, or is more than 100 MB.

    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError('a size stands in quotes with its unit: write one such as "8KB" (8000 bytes) or "1MB"')  # noqa: TRY004
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{shown(value)} is not a size: write one such as "500B", "8KB" (8000 bytes) or "1MB"')
    count = Decimal(found[1]) * _BYTES[found[2]]
    if count != int(count):
        raise ValueError(f"{shown(value)} is not a whole number of bytes")
    if not 0 < count <= LARGEST_BYTES:
        raise ValueError(f'{shown(value)} is out of range: "1B" to "100MB"')
    return int(count)


def rate(value: object) -> tuple[int, float]:
    """Calls and seconds of a rate such as `20/s`, `90/min` or `500/h`.

    Raises:
        ValueError: it is none, or is not from 1 to 1,000,000 calls a period.

    """
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(
            f'{shown(value)} is not a rate: write a whole number per s, min or h, such as "20/s" or "30/min"'
        )
    count = int(found[1])
    if not 1 <= count <= FASTEST:
        raise ValueError(f'{shown(value)} is out of range: "1/h" to "{FASTEST}/s"')
    return count, _PERIOD_S[found[2]]


def whole(least: int, most: int) -> Callable[[object], int]:
    """A reader of whole numbers from `least` to `most`, both included."""

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"write a whole number from {least} to {most}, without quotes")
        return value

    return read


def parallel(value: object) -> bool | float:
    """Whether to run in parallel, or the share of batches that do: `true`, `false`, or a number from 0 to 1.

    Raises:
        ValueError: it is none of these.

    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and 0 <= value <= 1:
        return bool(value) if value in {0, 1} else float(value)
    raise ValueError("write true, false, or the share of batches to run in parallel, from 0 to 1, such as 0.1")


def method(value: object) -> str:
    """An HTTP method, in capitals.

    Raises:
        ValueError: it is none that an endpoint can have.

    """
    from headgate.proxy.endpoints.endpoint import METHODS  # noqa: PLC0415 - only where there are endpoints

    if isinstance(value, str) and value.upper() in METHODS:
        return value.upper()
    raise ValueError(f"write one of {', '.join(METHODS)}, in quotes")


def body(value: object) -> str | list[str]:
    """What a request's body is made of: the name of one argument, or of several that are its members.

    Raises:
        ValueError: it is neither.

    """
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(name, str) for name in cast("list[object]", value)):
        return cast("list[str]", value)
    raise ValueError('write the names of its members, such as ["title", "text"], or the name of one argument: "body"')


def shown(value: object) -> str:
    """`value` for an error text: short and printable. Only for values that cannot be secrets."""
    if not isinstance(value, str):
        return "this"
    text = printable(value)
    return f'"{text[:_SHOWN_CHARACTERS]}…"' if len(text) > _SHOWN_CHARACTERS else f'"{text}"'


def printable(text: str) -> str:
    """`text` in one line, with nothing in it that a terminal would act on."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
