"""Where each client keeps its servers, on each system."""

from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest

from headgate.server.clients.places import CLIENTS, Client, Machine

LINUX = Machine("linux", PurePosixPath("/home/ada"), {}, PurePosixPath("/home/ada/shop"))
MACOS = Machine("darwin", PurePosixPath("/Users/ada"), {}, PurePosixPath("/Users/ada/shop"))
WINDOWS = Machine("win32", PureWindowsPath(r"C:\Users\ada"), {}, PureWindowsPath(r"C:\shop"))


def client(slug: str) -> Client:
    return next(client for client in CLIENTS if client.slug == slug)


@pytest.mark.parametrize(
    ("slug", "machine", "expected"),
    [
        ("claude-desktop", LINUX, "/home/ada/.config/Claude/claude_desktop_config.json"),
        ("claude-desktop", MACOS, "/Users/ada/Library/Application Support/Claude/claude_desktop_config.json"),
        ("claude-code", LINUX, "/home/ada/.claude.json"),
        ("claude-code", WINDOWS, r"C:\Users\ada\.claude.json"),
        ("cursor", MACOS, "/Users/ada/.cursor/mcp.json"),
        ("cursor", WINDOWS, r"C:\Users\ada\.cursor\mcp.json"),
        ("vscode", LINUX, "/home/ada/.config/Code/User/mcp.json"),
        ("vscode", MACOS, "/Users/ada/Library/Application Support/Code/User/mcp.json"),
        ("vscode", WINDOWS, r"C:\Users\ada\AppData\Roaming\Code\User\mcp.json"),
        ("windsurf", LINUX, "/home/ada/.codeium/windsurf/mcp_config.json"),
        ("windsurf", WINDOWS, r"C:\Users\ada\.codeium\windsurf\mcp_config.json"),
        ("codex", MACOS, "/Users/ada/.codex/config.toml"),
        ("codex", WINDOWS, r"C:\Users\ada\.codex\config.toml"),
        ("gemini", LINUX, "/home/ada/.gemini/settings.json"),
        ("gemini", WINDOWS, r"C:\Users\ada\.gemini\settings.json"),
        ("zed", LINUX, "/home/ada/.config/zed/settings.json"),
        ("zed", MACOS, "/Users/ada/.config/zed/settings.json"),
        ("zed", WINDOWS, r"C:\Users\ada\AppData\Roaming\Zed\settings.json"),
    ],
)
def test_a_user_s_file_is_where_the_client_s_manual_says(slug: str, machine: Machine, expected: str) -> None:
    assert str(client(slug).files(machine, "user")[0]) == expected


def test_claude_desktop_on_windows_is_looked_for_in_its_package_before_roaming() -> None:
    packaged, plain = client("claude-desktop").files(WINDOWS, "user")
    package = r"C:\Users\ada\AppData\Local\Packages\Claude_pzs8sxrjxfjjc\LocalCache\Roaming"
    assert str(packaged) == rf"{package}\Claude\claude_desktop_config.json"
    assert str(plain) == r"C:\Users\ada\AppData\Roaming\Claude\claude_desktop_config.json"


@pytest.mark.parametrize(
    ("slug", "variable", "expected"),
    [
        ("claude-desktop", "XDG_CONFIG_HOME", "/elsewhere/Claude/claude_desktop_config.json"),
        ("vscode", "XDG_CONFIG_HOME", "/elsewhere/Code/User/mcp.json"),
        ("claude-code", "CLAUDE_CONFIG_DIR", "/elsewhere/.claude.json"),
        ("codex", "CODEX_HOME", "/elsewhere/config.toml"),
        ("zed", "XDG_CONFIG_HOME", "/elsewhere/zed/settings.json"),
    ],
)
def test_a_folder_moved_by_a_variable_is_followed(slug: str, variable: str, expected: str) -> None:
    machine = Machine("linux", LINUX.home, {variable: "/elsewhere"}, LINUX.cwd)
    assert str(client(slug).files(machine, "user")[0]) == expected


@pytest.mark.parametrize(
    ("slug", "expected"),
    [
        ("claude-code", ["/home/ada/shop/.mcp.json"]),
        ("cursor", ["/home/ada/shop/.cursor/mcp.json"]),
        ("vscode", ["/home/ada/shop/.vscode/mcp.json"]),
        ("codex", ["/home/ada/shop/.codex/config.toml"]),
        ("gemini", ["/home/ada/shop/.gemini/settings.json"]),
        ("zed", ["/home/ada/shop/.zed/settings.json"]),
        ("claude-desktop", []),
        ("windsurf", []),
    ],
)
def test_a_project_s_file_is_below_the_current_folder_where_the_client_knows_projects(
    slug: str, expected: list[str]
) -> None:
    assert [str(file) for file in client(slug).files(LINUX, "project")] == expected


def on(folder: Path, platform: str = "linux") -> Machine:
    return Machine("win32" if platform == "win32" else "linux", PurePath(folder), {}, PurePath(folder))


def test_the_file_to_write_is_the_one_that_is_there(tmp_path: Path) -> None:
    insiders = tmp_path / ".config" / "Code - Insiders" / "User" / "mcp.json"
    (tmp_path / ".config" / "Code" / "User").mkdir(parents=True)
    insiders.parent.mkdir(parents=True)
    insiders.touch()
    assert client("vscode").file_to_write(on(tmp_path), "user") == insiders


def test_without_a_file_the_client_that_is_installed_gets_one(tmp_path: Path) -> None:
    plain = tmp_path / "AppData" / "Roaming" / "Claude" / "claude_desktop_config.json"
    plain.parent.mkdir(parents=True)
    assert client("claude-desktop").file_to_write(on(tmp_path, "win32"), "user") == plain


def test_with_nothing_installed_the_usual_place_is_taken(tmp_path: Path) -> None:
    assert client("cursor").file_to_write(on(tmp_path), "user") == tmp_path / ".cursor" / "mcp.json"
    assert client("windsurf").file_to_write(on(tmp_path), "project") is None
