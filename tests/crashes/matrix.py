"""The whole crash matrix: `python tests/crashes/matrix.py [KILLS_AT_EACH_PLACE]`, 150 by default."""

import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.crashes.trial import PLACES, run_trial  # noqa: E402 - the path comes first


def main() -> int:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    faults: list[str] = []
    began = time.monotonic()
    kills = 0
    for place in PLACES:
        told: Counter[str] = Counter()
        with TemporaryDirectory() as folder:
            for number in range(times):
                # What happens when a journal is made can happen only once to each.
                within = Path(folder) / (str(number) if place == "migrated" else "all")
                within.mkdir(exist_ok=True)
                trial = run_trial(place, f"{place.replace(':', '-')}-{number}", within)
                kills += trial.killed
                told[f"{trial.told}{' replayed' if trial.replayed else ''}, effects {trial.effects}"] += 1
                if fault := trial.fault():
                    faults.append(f"{trial}: {fault}")
        print(f"{place:12} {dict(told)}", flush=True)  # noqa: T201
    seconds = time.monotonic() - began
    print(f"{kills} kills at {len(PLACES)} places in {seconds:.0f} s: {len(faults)} faults", *faults, sep="\n")  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
