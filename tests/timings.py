"""By how much a promised time may be missed: HEADGATE_TIMINGS=strict is for a machine that does nothing else."""

import os

STRICT = os.environ.get("HEADGATE_TIMINGS") == "strict"
SLACK_S = 0.05 if STRICT else 2.0
CLOCK_S = 0.005
"""By how much an alarm may ring early: uvloop counts in whole milliseconds, from where its turn began."""
