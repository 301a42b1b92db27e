"""How calls come in: the MCP server, the settings file, the command line, and the root where all is put together."""
