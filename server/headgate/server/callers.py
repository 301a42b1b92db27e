"""Who calls: the operator, who may do everything, or one of several tenants, who know nothing of each other."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from headgate.proxy.attempt import CallPath
from headgate.proxy.direct import Begin
from headgate.proxy.pace import Pace
from headgate.proxy.principal import begin_on_behalf_of, on_behalf_of
from headgate.server.settings.serve import Allowed, TenantSettings
from headgate.tools.catalogue import Catalogue
from headgate.tools.names import matches

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext

KEPT_CALLERS = 10_000
"""Callers known by an authorization server only, whose pace we remember; the longest unseen goes first."""


class Caller:
    """On whose behalf requests are made."""

    def __init__(self, principal: str, allowed: Allowed | None = None, before: "Caller | None" = None) -> None:
        """What is kept for one `principal` is there for nobody else. Its rate goes on where it was `before`."""
        self.principal = principal
        self.allowed = allowed or Allowed()
        self._tools = self.allowed.tools
        self.paces = Pace.after(() if before is None else before.paces, self.allowed.rate)
        self._seen: tuple[Catalogue, Catalogue] | None = None

    def __repr__(self) -> str:
        return f"<Caller {self.principal}>"

    def part_of(self, catalogue: Catalogue) -> Catalogue:
        """The tools that the caller may use: for it there are no others."""
        if not self._tools:
            return catalogue
        if self._seen is None or self._seen[0] is not catalogue:
            self._seen = catalogue, catalogue.only(self._tools)
        return self._seen[1]

    @property
    def restricted(self) -> bool:
        """Whether there is anything that it may not use."""
        return bool(self._tools)

    def may_use(self, name: str) -> bool:
        """Whether something offered under that name, such as a recipe, is there for the caller."""
        return not self._tools or matches(name, self._tools)

    def path(self, inner: CallPath) -> CallPath:
        """The way of the caller's calls: they keep to its own rate, and are told apart from everybody else's."""
        return on_behalf_of(self.principal, self.paces, inner) if self.principal else inner

    def begin(self, inner: Begin) -> Begin:
        """How those of the caller's reads set out that need not wait for anything."""
        return begin_on_behalf_of(self.principal, self.paces, inner) if self.principal else inner


OPERATOR = Caller("")
"""Whoever started headgate, or may reach it without a token."""


CallerOf = Callable[["ServerRequestContext[Any, Any]"], Caller]
"""Says on whose behalf a request is made."""


class Callers:
    """The callers by principal."""

    def __init__(self, tenants: Mapping[str, TenantSettings]) -> None:
        """Those of the settings; others come as they call."""
        self._tenants = {name: Caller(name, tenant.allowed) for name, tenant in tenants.items()}
        self._others: OrderedDict[str, Caller] = OrderedDict()

    def become(self, tenants: Mapping[str, TenantSettings]) -> None:
        """Go by other settings. Each goes on where it was with its rate, be it another from now on."""
        before = self._tenants
        self._tenants = {name: _with(before.get(name), name, tenant.allowed) for name, tenant in tenants.items()}

    def tenant(self, name: str) -> Caller | None:
        """The tenant of that name."""
        return self._tenants.get(name)

    def other(self, principal: str, allowed: Allowed) -> Caller:
        """One that is no tenant; the same object for the same principal as long as it keeps calling."""
        caller = _with(self._others.pop(principal, None), principal, allowed)
        self._others[principal] = caller
        if len(self._others) > KEPT_CALLERS:
            self._others.popitem(last=False)
        return caller


def _with(before: Caller | None, principal: str, allowed: Allowed) -> Caller:
    """The caller; the same object, where it may still do the same."""
    return before if before is not None and before.allowed == allowed else Caller(principal, allowed, before)
