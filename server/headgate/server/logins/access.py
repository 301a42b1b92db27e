"""How headgate gets into an upstream at a URL."""

from headgate.proxy.oauth.bearer import Bearer
from headgate.proxy.target import HttpTarget
from headgate.server.logins.vault import Vault


def has_header(target: HttpTarget) -> bool:
    """Whether the operator's own Authorization header is sent, which leaves no room for a token."""
    return any(header.lower() == "authorization" for header in target.headers)


def bearer_of(upstream: str, target: HttpTarget) -> Bearer | None:
    """What has the upstream's token, where there may be one."""
    return None if has_header(target) else Bearer(upstream, target, Vault(upstream, target.url))
