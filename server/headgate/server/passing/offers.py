"""The prompts, resources and templates of all upstreams: listed together, and found again by name or URI."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp.shared.uri_template import InvalidUriTemplate, UriTemplate

from headgate.proxy.connection import CallFailedError
from headgate.proxy.passing import Passing
from headgate.server.fit import is_listable
from headgate.tools.catalogue import Catalogue, Listing, Tool
from headgate.tools.rules import UpstreamRules

logger = logging.getLogger(__name__)

Definition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing that upstreams list."""

    capability: str
    method: str
    key: str
    """Under which the list stands in an answer."""
    identity: str
    """The field of a definition that names it."""


PROMPTS = Kind("prompts", "prompts/list", "prompts", "name")
RESOURCES = Kind("resources", "resources/list", "resources", "uri")
TEMPLATES = Kind("resources", "resources/templates/list", "resourceTemplates", "uriTemplate")


class Offers:
    """What the upstreams offer beside tools."""

    def __init__(self, passings: Callable[[], tuple[Passing, ...]]) -> None:
        """In the order of the settings, which decides where two upstreams list the same URI."""
        self._passings = passings
        self._latest: dict[tuple[str, Kind], list[Definition]] = {}
        self._prompts = Catalogue()

    async def prompts(self) -> tuple[Tool, ...]:
        """All prompts, under the names that they are offered under: known as tools are."""
        await self._look(PROMPTS)
        listings = [
            Listing(name, UpstreamRules(prefix=self.of(name).prefix), tuple(found))
            for (name, kind), found in self._in_order()
            if kind is PROMPTS
        ]
        self._prompts = Catalogue(listings)
        return self._prompts.tools

    async def listed(self, kind: Kind) -> list[Definition]:
        """All resources or templates. Of two with the same URI the first is listed, and is the one that is read."""
        await self._look(kind)
        first: dict[str, Definition] = {}
        for (_, listed), found in self._in_order():
            for definition in found if listed is kind else ():
                first.setdefault(definition[kind.identity], definition)
        return [*first.values()]

    def of(self, upstream: str) -> Passing:
        """The way to the upstream of that name."""
        return next(passing for passing in self._passings() if passing.name == upstream)

    async def prompt(self, name: str) -> Tool | None:
        """The prompt that is meant by `name`; `None` for no such prompt."""
        found = self._prompts.find(name)
        if not isinstance(found, Tool):
            await self.prompts()
            found = self._prompts.find(name)
        return found if isinstance(found, Tool) else None

    async def resource(self, uri: str) -> list[Passing]:
        """Who may have the resource `uri`, the likeliest first: who listed it, who named it, whose template it fits."""
        able = [passing for passing in self._passings() if passing.offers("resources")]
        if len(able) <= 1:
            return able
        for again in (False, True):
            if again:
                await asyncio.gather(self._look(RESOURCES), self._look(TEMPLATES))
            owner = self._lister_of(uri) or self._namer_of(uri) or self._fitting(uri)
            if owner is not None:
                return [self.of(owner)]
        return able

    async def template(self, template: str) -> list[Passing]:
        """Who may have listed `template`; a resource's URI may stand for it."""
        for (name, kind), found in self._in_order():
            if kind is TEMPLATES and any(it.get(kind.identity) == template for it in found):
                return [self.of(name)]
        return await self.resource(template)

    async def _look(self, kind: Kind) -> None:
        """List anew, all upstreams at once. One that fails to is taken to offer what it did before."""
        able = [passing for passing in self._passings() if passing.offers(kind.capability)]
        for passing, found in zip(able, await asyncio.gather(*(_list_of(it, kind) for it in able)), strict=True):
            if found is not None:
                self._latest[passing.name, kind] = found

    def _in_order(self) -> list[tuple[tuple[str, Kind], list[Definition]]]:
        places = {passing.name: place for place, passing in enumerate(self._passings())}
        known = [item for item in self._latest.items() if item[0][0] in places]
        return sorted(known, key=lambda item: places[item[0][0]])

    def _lister_of(self, uri: str) -> str | None:
        for (name, kind), found in self._in_order():
            if kind is RESOURCES and any(resource.get("uri") == uri for resource in found):
                return name
        return None

    def _namer_of(self, uri: str) -> str | None:
        return next((passing.name for passing in self._passings() if passing.has_named(uri)), None)

    def _fitting(self, uri: str) -> str | None:
        for (name, kind), found in self._in_order():
            if kind is TEMPLATES and any(_fits(uri, template["uriTemplate"]) for template in found):
                return name
        return None


async def _list_of(passing: Passing, kind: Kind) -> list[Definition] | None:
    try:
        found = await passing.list(kind.method, kind.key, kind.identity)
    except CallFailedError as failed:
        logger.debug('upstream "%s" does not answer %s: %s', passing.name, kind.method, failed)
        return None
    kept = [definition for definition in found if is_listable(definition, kind.method, kind.key)]
    if len(kept) < len(found):
        logger.warning('upstream "%s" declares %s in a way that MCP does not know', passing.name, kind.key)
    return kept


def _fits(uri: str, template: str) -> bool:
    try:
        return UriTemplate.parse(template).match(uri) is not None
    except InvalidUriTemplate:
        return False
