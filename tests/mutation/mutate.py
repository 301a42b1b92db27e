"""Mutation testing of tools/: says which small faults in it no test notices.

Run it as `.venv/bin/python tests/mutation/mutate.py [--sample N] [--seed S] [--file NAME …]`. It draws mutants from all
files in proportion to how many each has, and asks of each the tests that mirror its file, then the laws of the
schedule, where they reach it, then all other tests of the layer. It ends with 0 if at least 85 % were noticed.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.trial import LAWS, SOURCES, TESTS, Copy, copied

ENOUGH = 0.85
_LIMIT_S = 60
_FATES = ("killed", "equivalent", "survived")
_ELSEWHERE = {
    "draft": ("plan", "splice", "schedule"),
    "fill": ("reference", "schedule"),
    "filling": ("schedule", "fan", "plan"),
    "gather": ("splice",),
    "given": ("recipe", "splice"),
    "reference": ("plan",),
}
"""Where else the tests of a file are, or all of them where it has none of its own."""
_BEYOND_THE_LAWS = frozenset(
    (
        *("budget", "dry_run", "gather", "hint", "known", "offer", "page", "prefetch", "recipe", "reply", "result"),
        *("search", "splice"),
    )
)
"""What no schedule runs through."""


def main() -> int:
    """Draw a sample, try each mutant, and print what came of it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=320, help="how many mutants (default: %(default)s; 0 for all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--file", action="append", default=[], help="only of this source file, such as plan.py")
    asked = parser.parse_args()
    with copied() as copy:
        files = sorted(path for path in (copy.root / SOURCES).glob("*.py") if not asked.file or path.name in asked.file)
        drawn = _drawn([mutants_of(path.name, path.read_text(encoding="utf-8")) for path in files], asked)
        _say(f"{len(drawn)} mutants")
        everything = sorted(path.name for path in (copy.root / TESTS).glob("test_*.py"))
        sound = copy.run(everything, 5 * _LIMIT_S)
        if sound.noticed:
            _say(f"{sound.by} finds fault with the sources as they are")
            return 1
        fates = [(mutant, _fate_of(mutant, copy, everything)) for mutant in drawn]
    return _report(fates)


def _drawn(by_file: Sequence[Sequence[Mutant]], asked: argparse.Namespace) -> list[Mutant]:
    """A sample with a share of each file's mutants, and one at least."""
    total = sum(map(len, by_file))
    share = min(1.0, asked.sample / total) if asked.sample else 1.0
    source = random.Random(asked.seed)  # noqa: S311 - a sample is no secret
    return [
        mutant
        for mutants in by_file
        if mutants
        for mutant in sorted(source.sample(mutants, max(1, round(share * len(mutants)))), key=lambda it: it.line)
    ]


def _fate_of(mutant: Mutant, copy: Copy, everything: Sequence[str]) -> str:
    """`killed`, `survived`, or `equivalent` for what is known to change nothing that can be seen."""
    began = time.monotonic()
    stem = mutant.file.removesuffix(".py")
    mirrored = [f"test_{name}.py" for name in (stem, *_ELSEWHERE.get(stem, ())) if f"test_{name}.py" in everything]
    others = [name for name in everything if name not in (*mirrored, LAWS)]
    by = ""
    with copy.broken(mutant.file, mutant.text):
        for tests in (mirrored, [] if stem in _BEYOND_THE_LAWS else [LAWS], others):
            verdict = copy.run(tests, _LIMIT_S) if tests else None
            if verdict is not None and verdict.noticed:
                by = verdict.by
                break
    fate = "killed" if by else "equivalent" if mutant.key in EQUIVALENT else "survived"
    _say(f"{fate:<10} {mutant.file}:{mutant.line} {mutant.change}  [{by}] {time.monotonic() - began:.1f} s")
    return fate


def _report(fates: Sequence[tuple[Mutant, str]]) -> int:
    counts = Counter((mutant.file, fate) for mutant, fate in fates)
    _say(f"\n{'file':<20}{'sampled':>9}{'killed':>9}{'equivalent':>12}{'survived':>10}")
    for file in sorted({mutant.file for mutant, _ in fates}):
        killed, equivalent, survived = (counts[file, fate] for fate in _FATES)
        _say(f"{file:<20}{killed + equivalent + survived:>9}{killed:>9}{equivalent:>12}{survived:>10}")
    every = Counter(fate for _, fate in fates)
    share = every["killed"] / max(1, every["killed"] + every["survived"])
    of_all = every["killed"] / max(1, len(fates))
    _say(", ".join([f"{len(fates)} sampled", *(f"{every[fate]} {fate}" for fate in _FATES)]))
    _say(f"{of_all:.1%} of all killed, {share:.1%} of those that are not equivalent")
    return 0 if of_all >= ENOUGH else 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
