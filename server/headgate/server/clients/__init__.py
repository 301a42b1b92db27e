"""What the MCP clients' own config files look like, and where they are.

A *client* is a program that starts MCP servers for an agent: Claude Desktop, Claude Code, Cursor, VS Code, Windsurf,
Codex. Its *entry* is what it wrote down for one server; a `FoundServer` is that entry in our words.

`places` knows where the files are, `jsonc` and `toml` edit their text without touching what they were not asked to,
`entries` reads entries, `variables` and `withheld` rewrite their values, `files` puts a changed file in its place.

This package knows nothing of argv, terminals, headgate.toml, or running servers.
"""
