"""`$ref` within a document. What points outside of it is refused: nothing is read or fetched. Pure: no I/O."""

from typing import Any, cast

from referencing import Registry, Resource
from referencing.exceptions import Unresolvable

MAX_STEPS = 20
"""References to references."""


class BadReferenceError(ValueError):
    """A reference leads nowhere, outside, or in a circle. Its text is a sentence without the document's own words."""


class References:
    """The references of one document."""

    def __init__(self, root: dict[str, Any]) -> None:
        """A registry that holds this document alone retrieves no other."""
        registry: Registry[Any] = Registry()
        self._resolver = registry.with_resource("", Resource.opaque(root)).resolver()
        self._known: dict[str, Any] = {}

    def at(self, reference: str) -> Any:
        """The value that `reference` points to, itself a reference or not.

        Raises:
            BadReferenceError: It leads nowhere, or outside.

        """
        if reference not in self._known:
            if not reference.startswith("#/"):
                raise BadReferenceError("it refers to something outside of the document, or by a name")
            try:
                self._known[reference] = self._resolver.lookup(reference).contents
            except (Unresolvable, ValueError, TypeError, LookupError):
                raise BadReferenceError("it refers to something that is not in the document") from None
        return self._known[reference]

    def followed(self, value: Any) -> dict[str, Any]:
        """`value`, or what it refers to: an object.

        Raises:
            BadReferenceError: There is none.

        """
        for _ in range(MAX_STEPS):
            if not isinstance(value, dict):
                raise BadReferenceError("it is no object")
            found = cast("dict[str, Any]", value)
            reference = found.get("$ref")
            if not isinstance(reference, str):
                return found
            value = self.at(reference)
        raise BadReferenceError("its references lead in a circle")
