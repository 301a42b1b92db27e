"""Values that are data from the start, whatever they look like."""

from dataclasses import dataclass
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Given:
    """An object or a list in a call's arguments at which nothing looks for references.

    It becomes what it holds when the arguments are filled in. No JSON text can say one, so nothing that a model or an
    upstream sends is taken for one, and nothing in one for anything but data.
    """

    value: dict[str, Any] | list[Any]


def opaque(value: Any) -> Any:
    """`value` as data: nothing but an object or a list could be taken for anything else."""
    return Given(cast("dict[str, Any] | list[Any]", value)) if isinstance(value, dict | list) else value
