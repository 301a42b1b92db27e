"""Mutants that change nothing that anyone could see. The list names those that were met and looked at, and why."""

_A_TRUTH = "the caller only asks whether it is so, and None is as false as False"
_A_NAME = "a name that nothing but this file uses, and that it uses throughout"
_ONE_LENGTH = "a check on lists that were made of one another, so that they are of one length"
_FIRST_OF = "only the first is used"
_ROOM = "where a search by halves begins: from higher up it ends at the same place"

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("bounded_path.py", '_WORK = "work"', "'work' → 'workx'"): _A_NAME,
    ("budget.py", "low, high = 0, min(len(text), max(limit - 2, 0))", "limit - 2 → limit + 2"): _ROOM,
    ("catalogue.py", "close = get_close_matches(name, likely, n=1, cutoff=0.6)", "1 → 2"): _FIRST_OF,
    ("order.py", "unseen, open_, closed = 0, 1, 2", "2 → 3"): _A_NAME,
    ("reference.py", "return False", "return False → return None"): _A_TRUTH,
    ("reply.py", "for envelope, size in zip(results, sizes, strict=True):", "True → False"): _ONE_LENGTH,
}
