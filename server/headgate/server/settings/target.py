"""Where an upstream is: its kind, its variables filled in, and what the operating system or HTTP would refuse.

Secrets pass through here. A message names the key and what is wrong with it, never what stands there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from headgate.proxy.target import EndpointsTarget, HttpTarget, OAuthClient, StdioTarget, Target
from headgate.server.settings.fill import Filled, FillError, fill
from headgate.server.settings.lines import KeyPath
from headgate.server.settings.oauth import oauth_client
from headgate.server.settings.problems import Findings
from headgate.server.settings.schema import Upstream

_BESIDE = {
    "command": ("args", "env", "cwd", "replicas", "answer_limit", "protocol"),
    "url": ("headers", "transport", "oauth", "answer_limit", "protocol"),
    "http": ("headers", "query", "openapi", "allow_private", "answer_limit"),
}
_SHORTEST_SECRET = 4
_PARTS = re.compile(r"[/?&=]")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class TargetReader:
    """Reads the place of the upstream at `path` of the file."""

    path: KeyPath
    upstream: Upstream
    environ: Mapping[str, str]
    base: Path | None
    findings: Findings

    def read(self) -> Target | EndpointsTarget | None:
        """The target, its endpoints left out; None where it has no place."""
        kinds = [kind for kind in _BESIDE if kind in self.upstream.model_fields_set or self._blamed(kind)]
        if len(kinds) == 1:
            self._check_company(kinds[0])
        elif kinds:
            self._problem(kinds[1], f"{kinds[0]} is given too; an upstream has exactly one of command, url and http")
        else:
            self.findings.problem(
                self.path,
                "this upstream has no place: give it command (a program to start), url (an MCP server) "
                "or http (plain HTTP endpoints)",
            )
        headers = {name: self._header(name, text) for name, text in (self.upstream.headers or {}).items()}
        stdio, http, endpoints = self._stdio(), self._http(headers), self._endpoints(headers)
        return stdio or http or endpoints

    def _stdio(self) -> StdioTarget | None:
        upstream = self.upstream
        args = tuple(self._argument(place, text) for place, text in enumerate(upstream.args or ()))
        env = {name: self._variable(name, text) for name, text in (upstream.env or {}).items()}
        cwd = None if upstream.cwd is None else self._folder(upstream.cwd)
        if upstream.command is None:
            return None
        values = {value for arg in args if isinstance(arg, Filled) for value in arg.values}
        secrets = frozenset(value for value in values if len(value) >= _SHORTEST_SECRET)
        return StdioTarget(self._program(upstream.command), args, env, cwd, secrets, upstream.protocol is not None)

    def _http(self, headers: Mapping[str, str]) -> HttpTarget | None:
        upstream = self.upstream
        oauth = self._oauth(headers)
        if upstream.url is None:
            return None
        transport = upstream.transport or "streamable-http"
        address = self._address("url", upstream.url)
        hidden = _filled_in(address, upstream.url)
        return HttpTarget(address, headers, transport, upstream.protocol is not None, oauth, hidden)

    def _oauth(self, headers: Mapping[str, str]) -> OAuthClient | None:
        table = self.upstream.oauth
        if table is None:
            return None
        if any(name.lower() == "authorization" for name in headers):
            self._problem("oauth", "an Authorization header is configured too; an upstream gets one or the other")
        path = (*self.path, "oauth")
        return oauth_client(path, table, lambda key, written: self._text(written, "oauth", key), self.findings)

    def _endpoints(self, headers: Mapping[str, str]) -> EndpointsTarget | None:
        upstream = self.upstream
        query = {name: self._text(text, "query", name) for name, text in (upstream.query or {}).items()}
        document = None if upstream.openapi is None else self._document(upstream.openapi)
        if upstream.http is None:
            return None
        from headgate.proxy.endpoints.address import BadAddressError, Base  # noqa: PLC0415 - only where there are any

        address = self._address("http", upstream.http)
        if not self._blamed("http"):
            try:
                Base.of(address)
            except BadAddressError as bad:
                self._problem("http", str(bad))
        return EndpointsTarget(
            address,
            headers,
            query,
            openapi=document,
            allow_private=upstream.allow_private or False,
            hidden=_filled_in(address, upstream.http),
        )

    def _document(self, written: str) -> str:
        text = self._text(written, "openapi")
        if not re.match(r"https?://", text):
            return self._place("openapi", text, written)
        if not _is_web_address(text):
            self._problem("openapi", "this is no address that could be asked; it may also be a file")
        return text

    def _check_company(self, kind: str) -> None:
        for key in dict.fromkeys(key for keys in _BESIDE.values() for key in keys):
            if key in self.upstream.model_fields_set and key not in _BESIDE[kind]:
                owners = " or ".join(owner for owner, keys in _BESIDE.items() if key in keys)
                self._problem(key, f"this goes with {owners}, and the upstream has {kind}; take it out")

    def _program(self, written: str) -> str:
        command = self._text(written, "command")
        if not command.strip():
            self._problem("command", "this is empty: name the program to start")
        elif re.search(r"\s", command.strip()) and not re.search(r"[/\\]", command):
            self._problem("command", 'only the program stands here: put the words after it into args = ["…"]')
        return command

    def _argument(self, place: int, written: str) -> str:
        return self._text(written, "args", place)

    def _variable(self, name: str, written: str) -> str:
        if not name or "=" in name or "\0" in name:
            wrong = "a variable's name cannot be empty or hold = or NUL"
            self.findings.problem((*self.path, "env", name), wrong, named=False)
        return self._text(written, "env", name)

    def _folder(self, written: str) -> str:
        return self._place("cwd", self._text(written, "cwd"), written)

    def _place(self, key: str, text: str, written: str) -> str:
        """A file or folder, seen from the file's own folder."""
        try:
            folder = Path(text).expanduser()
        except RuntimeError:
            self._problem(key, "the home folder that ~ stands for is not known; write the path in full")
            return text
        path = str(folder if self.base is None else self.base / folder)
        return Filled(path, written) if isinstance(text, Filled) else path

    def _address(self, key: str, written: str) -> str:
        address = self._text(written, key)
        if not self._blamed(key) and not _is_web_address(address):
            self._problem(key, "write an address that begins with http:// or https://, without spaces")
        return address

    def _header(self, name: str, written: str) -> str:
        if not _HEADER_NAME.fullmatch(name):
            wrong = 'a header\'s name is letters, digits and hyphens: write { Authorization = "…" }'
            self.findings.problem((*self.path, "headers", name), wrong, named=False)
        value = self._text(written, "headers", name)
        if not _HEADER_VALUE.fullmatch(value):
            self._problem("headers", name, "a header holds ASCII text without line breaks; this holds something else")
        return value

    def _text(self, written: str, *key: str | int) -> str:
        try:
            text = fill(written, self.environ)
        except FillError as error:
            for message in error.messages:
                self._problem(*key, message)
            return written
        if "\0" in text:
            self._problem(*key, "this holds a NUL character, which nothing can be started or called with")
        return text

    def _problem(self, *key_and_message: str | int) -> None:
        *key, message = key_and_message
        self.findings.problem((*self.path, *key), str(message))

    def _blamed(self, key: str) -> bool:
        return self.findings.blames((*self.path, key))


def _filled_in(address: str, written: str) -> frozenset[str]:
    """The parts of the path and query of `address` in which a variable was filled in: some APIs have a key there."""
    parts = set(_PARTS.split(address)[3:]) - set(_PARTS.split(written)[3:])
    return frozenset(part for part in parts if len(part) >= _SHORTEST_SECRET)


def _is_web_address(address: str) -> bool:
    if any(char.isspace() or not char.isprintable() for char in address):
        return False
    try:
        parts = urlsplit(address)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
