"""Where each client keeps its MCP servers, as pure functions of the machine that is asked about."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

Platform = Literal["linux", "darwin", "win32"]
Scope = Literal["user", "project"]


@dataclass(frozen=True, slots=True)
class Machine:
    """All that a client's paths depend on."""

    platform: Platform
    home: PurePath
    environ: Mapping[str, str]
    cwd: PurePath

    def app_data(self) -> PurePath:
        """Folder where desktop programs of this system keep their settings."""
        match self.platform:
            case "darwin":
                return self.home / "Library" / "Application Support"
            case "win32":
                return self._folder("APPDATA", self.home / "AppData" / "Roaming")
            case "linux":
                return self._folder("XDG_CONFIG_HOME", self.home / ".config")

    def local_app_data(self) -> PurePath:
        """Folder that Windows keeps out of roaming profiles."""
        return self._folder("LOCALAPPDATA", self.home / "AppData" / "Local")

    def folder_from(self, variable: str, *default: str) -> PurePath:
        """Folder that `variable` names, or `default` under the home folder."""
        return self._folder(variable, self.home.joinpath(*default))

    def _folder(self, variable: str, default: PurePath) -> PurePath:
        named = self.environ.get(variable)
        return type(self.home)(named) if named else default


@dataclass(frozen=True, slots=True)
class Client:
    """One MCP client: its files, and how servers are listed in them."""

    slug: str
    title: str
    key: str
    """The member that holds the servers."""
    user_files: Callable[[Machine], tuple[PurePath, ...]]
    """Likeliest first; only the first that is there counts for writing."""
    project_file: tuple[str, ...] | None
    """Below the project's folder; `None` where the client knows no projects."""
    typed: bool
    """Whether an entry says `"type": "stdio"`."""
    reload: str
    """What makes the client read its file again."""
    forwards: str | None = None
    """The key that lists which variables a server gets of the client's own environment, where it gets none unasked."""

    def files(self, machine: Machine, scope: Scope) -> tuple[PurePath, ...]:
        """Files of `scope`, likeliest first; none where the client does not have that scope."""
        if scope == "user":
            return self.user_files(machine)
        return (machine.cwd.joinpath(*self.project_file),) if self.project_file else ()

    def file_to_write(self, machine: Machine, scope: Scope) -> Path | None:
        """File that the client reads on this machine, there already or not; `None` without such a scope."""
        candidates = [Path(file) for file in self.files(machine, scope)]
        present = [file for file in candidates if file.exists()]
        installed = [file for file in candidates if file.parent.is_dir()]
        return next(iter([*present, *installed, *candidates]), None)


def _claude_desktop(machine: Machine) -> tuple[PurePath, ...]:
    name = "claude_desktop_config.json"
    plain = machine.app_data() / "Claude" / name
    if machine.platform != "win32":
        return (plain,)
    # The packaged (MSIX) app sees this folder where it asks for the plain one, and never reads the plain one.
    package = machine.local_app_data() / "Packages" / "Claude_pzs8sxrjxfjjc"
    return (package / "LocalCache" / "Roaming" / "Claude" / name, plain)


def _claude_code(machine: Machine) -> tuple[PurePath, ...]:
    return (machine.folder_from("CLAUDE_CONFIG_DIR") / ".claude.json",)


def _cursor(machine: Machine) -> tuple[PurePath, ...]:
    return (machine.home / ".cursor" / "mcp.json",)


def _vscode(machine: Machine) -> tuple[PurePath, ...]:
    editions = ("Code", "Code - Insiders", "VSCodium")
    return tuple(machine.app_data() / edition / "User" / "mcp.json" for edition in editions)


def _windsurf(machine: Machine) -> tuple[PurePath, ...]:
    return (machine.home / ".codeium" / "windsurf" / "mcp_config.json",)


def _codex(machine: Machine) -> tuple[PurePath, ...]:
    return (machine.folder_from("CODEX_HOME", ".codex") / "config.toml",)


def _gemini(machine: Machine) -> tuple[PurePath, ...]:
    return (machine.home / ".gemini" / "settings.json",)


def _zed(machine: Machine) -> tuple[PurePath, ...]:
    if machine.platform == "win32":
        return (machine.app_data() / "Zed" / "settings.json",)
    # Zed keeps to this folder on macOS too.
    return (machine.folder_from("XDG_CONFIG_HOME", ".config") / "zed" / "settings.json",)


CLIENTS: tuple[Client, ...] = (
    Client(
        slug="claude-desktop",
        title="Claude Desktop",
        key="mcpServers",
        user_files=_claude_desktop,
        project_file=None,
        typed=False,
        reload="Quit Claude Desktop (from its menu or the tray, not only its window) and open it again.",
    ),
    Client(
        slug="claude-code",
        title="Claude Code",
        key="mcpServers",
        user_files=_claude_code,
        project_file=(".mcp.json",),
        typed=True,
        reload="Start a new Claude Code session; /mcp shows the connection.",
    ),
    Client(
        slug="cursor",
        title="Cursor",
        key="mcpServers",
        user_files=_cursor,
        project_file=(".cursor", "mcp.json"),
        typed=False,
        reload="Switch headgate on under Cursor Settings > MCP, or restart Cursor.",
    ),
    Client(
        slug="vscode",
        title="VS Code",
        key="servers",
        user_files=_vscode,
        project_file=(".vscode", "mcp.json"),
        typed=True,
        reload="Run 'MCP: List Servers' from VS Code's command palette and start headgate.",
    ),
    Client(
        slug="windsurf",
        title="Windsurf",
        key="mcpServers",
        user_files=_windsurf,
        project_file=None,
        typed=False,
        reload="Press refresh in Windsurf's MCP panel, or restart Windsurf.",
    ),
    Client(
        slug="codex",
        title="Codex",
        key="mcp_servers",
        user_files=_codex,
        project_file=(".codex", "config.toml"),
        typed=False,
        reload="Start a new Codex session; /mcp shows the connection.",
        forwards="env_vars",
    ),
    Client(
        slug="gemini",
        title="Gemini CLI",
        key="mcpServers",
        user_files=_gemini,
        project_file=(".gemini", "settings.json"),
        typed=False,
        reload="Start a new Gemini CLI session; /mcp shows the connection.",
    ),
    Client(
        slug="zed",
        title="Zed",
        key="context_servers",
        user_files=_zed,
        project_file=(".zed", "settings.json"),
        typed=False,
        reload="Zed reads the file at once; the Agent Panel's settings show headgate with a green dot.",
    ),
)
