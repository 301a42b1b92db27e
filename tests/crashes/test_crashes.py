"""Writes of processes that are killed: never twice, never lost, and in doubt only where nobody can know.

`python tests/crashes/matrix.py` does the same 150 times at each place.
"""

import sys
from pathlib import Path

import pytest
from tests.crashes.trial import PLACES, run_trial

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are watched by way of /proc")


@pytest.mark.parametrize("place", PLACES)
def test_a_write_survives_a_kill(place: str, tmp_path: Path) -> None:
    trial = run_trial(place, "once", tmp_path)

    assert trial.fault() is None, trial
