"""Where an upstream is, as the operator wrote it down. Secrets in it are kept out of every repr."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class StdioTarget:
    """An MCP server to start as a child process."""

    command: str
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Added to the inherited environment."""
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """An MCP server at a URL, over streamable HTTP or the legacy SSE transport."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    transport: Literal["streamable-http", "sse"] = "streamable-http"


Target = StdioTarget | HttpTarget
