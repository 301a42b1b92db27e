"""Why a batch is refused whole: values, so that equal refusals are equal."""

from headgate.tools.refusal import Problem, Refusal


def test_refusals_are_values() -> None:
    one, other = (Refusal((Problem("CYCLE", "calls[0]", "a → a"),)) for _ in range(2))

    assert one == other
    assert hash(one) == hash(other)
