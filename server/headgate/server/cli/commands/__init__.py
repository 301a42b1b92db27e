"""One file for each command. They are imported one at a time, by name, from `headgate.server.cli.app`."""
