"""Mutants that change nothing that anyone could see. The list names those that were met and looked at, and why."""

_A_TRUTH = "the caller only asks whether it is so, and None is as false as False"
_A_NAME = "a name that nothing but this file uses, and that it uses throughout"
_ONE_LENGTH = "a check on lists that were made of one another, so that they are of one length"

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("bounded_path.py", '_WORK = "work"', "'work' → 'workx'"): _A_NAME,
    ("order.py", "unseen, open_, closed = 0, 1, 2", "2 → 3"): _A_NAME,
    ("reference.py", "return False", "return False → return None"): _A_TRUTH,
    ("reply.py", "for envelope, size in zip(results, sizes, strict=True):", "True → False"): _ONE_LENGTH,
}
