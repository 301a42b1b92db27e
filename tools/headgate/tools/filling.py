"""The arguments that a call is sent with, once what they refer to is known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from headgate.tools.batch import Call
from headgate.tools.catalogue import Tool
from headgate.tools.fan import MAX_ITEMS, too_many
from headgate.tools.fill import Filling, Unresolved, fill
from headgate.tools.outcome import Failure
from headgate.tools.reference import Template

CheckArguments = Callable[[Tool, Mapping[str, Any]], str | None]
"""What is wrong with a call's arguments, as a sentence; `None` where the tool's schema takes them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call, and what is to be filled in before it can be sent."""

    call: Call
    tool: Tool
    template: Template | None
    """The arguments, where references or items have to be filled in."""
    each: list[Any] | Template | None
    """The items that it runs once for each of."""

    @property
    def known(self) -> bool:
        """Whether it can be told from the request alone what it is sent with."""
        templates = (part for part in (self.template, self.each) if isinstance(part, Template))
        return not any(template.references for template in templates)


def arguments_of(asked: Asked, data: Mapping[str, Any], check: CheckArguments) -> Sequence[Mapping[str, Any]] | Failure:
    """What a call is sent with: one object, or one for each item of its list; or why it cannot be sent.

    `data` holds what each call that ended ok gave back, by id.
    """
    filling = Filling(data)
    if asked.each is None:
        return _filled(asked, [None], filling, check)
    items = fill(asked.each, filling) if isinstance(asked.each, Template) else asked.each
    if isinstance(items, Unresolved):
        return Failure("error", "REFERENCE_NOT_FOUND", items.message)
    if not isinstance(items, list):
        return Failure("error", "INVALID_ARGUMENTS", "for_each takes a list, and what it refers to is none")
    listed = cast("list[Any]", items)
    if len(listed) > MAX_ITEMS:
        return Failure("error", "INVALID_ARGUMENTS", too_many(len(listed)))
    return _filled(asked, listed, filling, check)


def _filled(
    asked: Asked, items: list[Any], filling: Filling, check: CheckArguments
) -> Sequence[Mapping[str, Any]] | Failure:
    """The arguments for each item, if the tool's schema takes them all."""
    sets: list[Mapping[str, Any]] = []
    for number, filling.item in enumerate(items):
        where = "" if asked.each is None else f"{asked.call.id}[{number}]: "
        filled: Any = asked.call.arguments if asked.template is None else fill(asked.template, filling)
        if isinstance(filled, Unresolved):
            return Failure("error", "REFERENCE_NOT_FOUND", where + filled.message)
        wrong = check(asked.tool, filled)
        if wrong:
            return Failure("error", "INVALID_ARGUMENTS", where + wrong)
        sets.append(filled)
    return sets
