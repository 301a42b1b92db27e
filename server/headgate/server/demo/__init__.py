"""The demo: a refund triage over three sample tool servers, one by one and as a batch, drawn as timelines.

Importing this package imports nothing else of it: the sample servers live in it too, and start faster for that.
"""

from pathlib import Path


def run_demo(*, json: bool, svg: Path | None) -> int:
    """Run the demo and return the exit code.

    With `json` it prints one JSON object and nothing else; with `svg` it writes the picture of this run there.
    """
    from headgate.server.demo.rehearsal import rehearse  # noqa: PLC0415 -- see above

    return rehearse(as_json=json, svg=svg)
