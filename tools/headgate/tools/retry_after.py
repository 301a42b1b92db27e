"""What an upstream says of when to come back: the value of a Retry-After header."""

import re
from email.utils import mktime_tz, parsedate_tz

LONGEST_S = 3600.0
"""What is longer counts as this long: a slip of a unit, or malice, must put no upstream out of use for a day."""
_MAX_CHARACTERS = 100
_SECONDS = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")


def retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds to wait, from 0 to `LONGEST_S`, by a header of seconds or of an HTTP-date; `None` where it says neither.

    `now` is the time of day in seconds since 1970, to compare a date with.
    """
    text = "" if header is None else header.strip()
    if not text or len(text) > _MAX_CHARACTERS:
        return None
    seconds = float(text) if _SECONDS.fullmatch(text) else _until(text, now)
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_S)


def _until(date: str, now: float) -> float | None:
    try:
        then = parsedate_tz(date)
        # The grammar of HTTP knows GMT only, and a date without a zone is meant so.
        return None if then is None else mktime_tz((*then[:9], then[9] or 0)) - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
