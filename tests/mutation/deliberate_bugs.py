"""Shows that the laws of the schedule bite: each of these bugs, put into a copy of the sources, has to be found.

Run it as `.venv/bin/python tests/mutation/deliberate_bugs.py`. It ends with 0 if every bug was found by the laws, and
the sources without a bug were not found fault with.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.mutation.trial import LAWS, SOURCES, Copy, copied

_LIMIT_S = 100
"""For one bug: all laws take a tenth of it."""


@dataclass(frozen=True, slots=True)
class Bug:
    """A piece of a source file, and what stands there instead."""

    name: str
    file: str
    right: str
    wrong: str


BUGS = (
    Bug(
        "dropped barrier: a read does not wait for writes",
        "scope.py",
        "return self._latest([since.write for since in met if since.write is not None])",
        "return []",
    ),
    Bug(
        "dropped barrier: a write does not wait for reads",
        "scope.py",
        "return [*reads, *self._latest(writes)]",
        "return self._latest(writes)",
    ),
    Bug("writes of a chain run together", "plan.py", "earlier.append(self._latest[chain])", "pass"),
    Bug(
        "writes reordered: the last listed goes first",
        "plan.py",
        "tuple(range(len(drafts))) if free",
        "tuple(reversed(range(len(drafts)))) if free",
    ),
    Bug("writes of a for_each run together", "schedule.py", 'in_turn=step.kind == "write"', "in_turn=False"),
    Bug(
        "early start: before the last call that it waits for has ended",
        "schedule.py",
        "if self._missing[dependent] > 0:",
        "if self._missing[dependent] > 1:",
    ),
    Bug("early start: a soft dependency is not waited for", "plan.py", "{*draft.soft, *earlier}", "{*earlier}"),
    Bug(
        "wrong default: null instead of what was given",
        "fill.py",
        "return filling.take(reference.default[0], what)",
        "return filling.take(None, what)",
    ),
    Bug(
        "wrong default: taken though the value is there",
        "fill.py",
        "if reference.source in filling.data:",
        "if reference.source in filling.data and reference.default is None:",
    ),
    Bug(
        "lost result: an answer's data is not kept",
        "schedule.py",
        "self._data[step.call.id] = outcome.result.data",
        "self._data[step.call.id] = None",
    ),
    Bug("lost result: the answer to a right guess", "schedule.py", "self._end(index, held)", "pass"),
    Bug("a wrong guess is kept", "schedule.py", " and same_arguments(decision[0], guessed):", ":"),
    Bug("an item of for_each is dropped", "filling.py", "in enumerate(items):", "in enumerate(items[:-1] or items):"),
    Bug("a halted chain is ignored", "schedule.py", "if chain.meets(step.chain)]", "if not chain.meets(chain)]"),
    Bug(
        "a failed dependency is ignored",
        "schedule.py",
        "for earlier in step.needs if not self._ended_ok(earlier)",
        "for earlier in step.needs if self._outcomes[earlier] is None",
    ),
    Bug(
        "a write in flight is cut short",
        "schedule.py",
        'is _State.IN_FLIGHT and step.kind == "read":',
        "is _State.IN_FLIGHT:",
    ),
)


def main() -> int:
    """Try every bug; the exit code."""
    began = time.monotonic()
    with copied() as copy:
        sound = copy.run([LAWS], _LIMIT_S)
        _say(
            "the sources as they are",
            "found fault with: " + sound.by if sound.noticed else "nothing found, as it should be",
        )
        found = [_is_found(copy, bug) for bug in BUGS]
    _say("", f"{sum(found)} of {len(BUGS)} bugs found in {time.monotonic() - began:.0f} s")
    return 0 if all(found) and not sound.noticed else 1


def _is_found(copy: Copy, bug: Bug) -> bool:
    text = (copy.root / SOURCES / bug.file).read_text(encoding="utf-8")
    if text.count(bug.right) != 1:
        _say(bug.name, f"NOT TRIED: {bug.file} holds this {text.count(bug.right)} times, not once: {bug.right}")
        return False
    with copy.broken(bug.file, text.replace(bug.right, bug.wrong)):
        verdict = copy.run([LAWS], _LIMIT_S)
    _say(bug.name, f"found by {verdict.by}" if verdict.noticed else "NOT FOUND")
    return verdict.noticed


def _say(name: str, what: str) -> None:
    sys.stdout.write(f"{name:<64} {what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
