"""Secrets out of a client's config, kept back: the place of each is taken by a reference to the environment."""

import re
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from headgate.proxy.target import HttpTarget, StdioTarget, Target
from headgate.server.clients.variables import variable_name

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset({"key", "auth", "authorization", "bearer", "cookie", "dsn", "pat", "pwd", "private"})
_SECRET_ENDS = ("token", "secret", "password", "passwd", "passphrase", "credential", "credentials", "apikey")
_ABOUT_A_SECRET = frozenset({"file", "path", "dir", "name", "url", "uri", "limit", "type", "mode", "ttl", "env", "var"})
_NO_SECRET = frozenset({"", "0", "1", "true", "false", "yes", "no", "on", "off", "none", "null"})
_KNOWN = re.compile(
    r"(sk-|[spr]k_(live|test)_|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|A[KS]IA|AIza|ya29\.|eyJ|hf_|npm_|pypi-|lin_api_"
    r"|ntn_|secret_|sbp_|dop_v1_|SG\.|tvly-|fc-|r8_|gsk_)[\w.-]{12,}"
)
_LONG = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[\w-]{32,}")
_HEADER = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9-]*):\s*(?P<value>\S.*)")
_ASSIGNED = re.compile(r"(?P<name>-{0,2}[A-Za-z_][\w.-]*)=(?P<value>.+)", re.DOTALL)
_SCHEME = re.compile(r"(Bearer|Basic|Token)\s+(?=\S)", re.IGNORECASE)


def is_secret(name: str, value: str) -> bool:
    """Whether a value with that name is one to keep to oneself. Without a name, the value alone tells."""
    if "${" in value or value.lower() in _NO_SECRET:
        return False
    words = [word.lower() for word in _WORD.findall(name)]
    named = any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) for word in words)
    return bool(_KNOWN.match(value)) or (named and words[-1] not in _ABOUT_A_SECRET)


@dataclass(slots=True)
class Withheld:
    """Keeps secrets back for many servers, each value under one variable and each variable for one value."""

    values: dict[str, str] = field(default_factory=dict[str, str], repr=False)

    def without(self, server: str, target: Target) -> Target:
        """`target` with `${NAME}` where its secrets were."""
        if isinstance(target, StdioTarget):
            env = {name: self._valued(server, name, value, name) for name, value in target.env.items()}
            return replace(target, env=env, args=self._args(server, target.args))
        return self._http(server, target)

    def _http(self, server: str, target: HttpTarget) -> HttpTarget:
        headers = {name: self._header(server, name, value) for name, value in target.headers.items()}
        return replace(target, url=self._url(server, target.url), headers=headers)

    def _args(self, server: str, args: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self._arg(server, flag, arg) for flag, arg in zip(("", *args), args, strict=False))

    def _arg(self, server: str, flag: str, arg: str) -> str:
        if flag in {"--header", "-H"} and (header := _HEADER.fullmatch(arg)):
            return f"{header['name']}: {self._header(server, header['name'], header['value'])}"
        if "://" in arg and not arg.startswith("-"):
            return self._url(server, arg)
        if assigned := _ASSIGNED.fullmatch(arg):
            name, value = assigned["name"], assigned["value"]
            return f"{name}={self._url(server, value) if '://' in value else self._named(server, name, value)}"
        return self._named(server, flag if flag.startswith("-") and not arg.startswith("-") else "", arg)

    def _header(self, server: str, name: str, value: str) -> str:
        scheme = _SCHEME.match(value)
        start = scheme.end() if scheme else 0
        variable = f"{server}_token" if scheme else f"{server}_{name}"
        return value[:start] + self._valued(server, name, value[start:], variable)

    def _named(self, server: str, name: str, value: str) -> str:
        return self._valued(server, name, value, f"{server}_{name or 'secret'}")

    def _valued(self, server: str, name: str, value: str, variable: str) -> str:
        if is_secret(name, value):
            return self._reference(server, variable, value)
        return self._url(server, value) if "://" in value else value

    def _url(self, server: str, url: str) -> str:
        """An address keeps its shape; what is secret in it goes: the password, secret parameters, long path keys."""
        try:
            parts = urlsplit(url)
            password = parts.password
        except ValueError:
            return url
        secrets = {password: f"{server}_password"} if password and "${" not in password else {}
        for pair in parts.query.split("&"):
            name, _, value = pair.partition("=")
            if is_secret(name, value):
                secrets[value] = f"{server}_{name}"
        secrets |= {step: f"{server}_url_key" for step in parts.path.split("/") if _LONG.fullmatch(step)}
        for secret, variable in secrets.items():
            url = url.replace(secret, self._reference(server, variable, secret))
        return url

    def _reference(self, server: str, variable: str, value: str) -> str:
        wanted = variable_name(variable)
        names = [wanted, variable_name(f"{server}_{variable}"), *(f"{wanted}_{n}" for n in range(2, 100))]
        name = next(name for name in names if self.values.setdefault(name, value) == value)
        return f"${{{name}}}"
