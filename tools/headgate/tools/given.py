"""Values that are data from the start, whatever they look like."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Given:
    """An object or a list in a call's arguments at which nothing looks for references.

    It becomes what it holds when the arguments are filled in. No JSON text can say one, so nothing that a model or an
    upstream sends is taken for one, and nothing in one for anything but data.
    """

    value: dict[str, Any] | list[Any]
