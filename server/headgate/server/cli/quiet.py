"""The log of a command that a person runs. What it has to say is in what the command prints."""

import logging

from headgate.server.cli.options import options
from headgate.server.log import set_up_log


def keep_log_quiet() -> None:
    """Send the log to stderr: all of it with --log-json, else only what nothing else would tell."""
    as_json = options().log_json
    set_up_log(as_json=as_json)
    if not as_json:
        logging.getLogger("headgate").setLevel(logging.ERROR)
