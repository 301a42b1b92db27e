"""The command line: what a person or a client's config types, and what is shown for it.

`app` is the whole of it put together, `group` loads each command only when it is called, `options` holds what every
command takes, `fault` is how an error looks. `commands` has one file for each command; what they show and write stands
beside them: `reply_view` and `catalogue_view` for a terminal, `starter` for a new headgate.toml, `gather` and `diff`
for what init and install need.

This package decides nothing about calls: it loads settings, opens a gate or serves, and prints what comes back.
"""

from headgate.server.cli.app import main

__all__ = ["main"]
