"""What became of a recipe within a batch, gathered from its calls."""

from collections.abc import Mapping

from headgate.tools.outcome import Answer, Failure, Outcome


def gathered(parts: Mapping[str, Outcome], now: float) -> Outcome:
    """Ok where every part is, with the data of each under its name; else the failure of one, which it names."""
    started = [part.started_at for part in parts.values() if part.started_at is not None]
    return Outcome(_result(parts), now, min(started, default=None), parts=parts)


def _result(parts: Mapping[str, Outcome]) -> Answer | Failure:
    answers = {name: part.result for name, part in parts.items() if isinstance(part.result, Answer)}
    failures = {name: part.result for name, part in parts.items() if isinstance(part.result, Failure)}
    if not failures:
        blocks = tuple(block for answer in answers.values() for block in answer.blocks)
        return Answer({name: answer.data for name, answer in answers.items()}, blocks)
    name = min(failures, key=lambda name: _rank(failures[name]))
    worst = failures[name]
    many = f"{len(failures)} of {len(parts)} calls did not end ok; " if len(failures) > 1 else ""
    return Failure(worst.status, worst.code, f"{many}{name}: {worst.message}")


def _rank(failure: Failure) -> int:
    """A write that may have been applied comes first, what only followed from another failure last."""
    return {"unknown": 0, "skipped": 2}.get(failure.status, 1)
