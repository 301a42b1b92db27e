"""Mutants that change nothing that anyone could see. The list names those that were met and looked at, and why."""

_A_TRUTH = "the caller only asks whether it is so, and None is as false as False"
_A_NAME = "a name that nothing but this file uses, and that it uses throughout"
_ONE_LENGTH = "a check on lists that were made of one another, so that they are of one length"
_FIRST_OF = "only the first is used"
_ROOM = "where a search by halves begins: from higher up it ends at the same place"
_REFUSED = "either is refused in the same words"
_RANK = "a rank that is compared and nothing else: its order stays"
_TWICE = "the two characters are the same"
_SHORTER = "a shorter way to the same answer"
_EQUAL = "where both are equal, either way gives the same"
_NEVER = "asked of the calls of recipes only, and those are not None"

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("bounded_path.py", ': _WORK = "work"', "'work' → 'workx'"): _A_NAME,
    (
        "budget.py",
        "fair_limit: if size * remaining > left:",
        "size * remaining > left → size * remaining >= left",
    ): _EQUAL,
    ("budget.py", "_beginning: low, high = 0, min(len(text), max(limit - 2, 0))", "limit - 2 → limit + 2"): _ROOM,
    ("catalogue.py", "_nearest: close = get_close_matches(name, likely, n=1, cutoff=0.6)", "1 → 2"): _FIRST_OF,
    ("coerce.py", "request_of: return value", "return value → return None"): _REFUSED,
    ("fill.py", "slot: return match[0][0]", "0 → 1"): _TWICE,
    ("gather.py", '_rank: return {"unknown": 0, "skipped": 2}.get(failure.status, 1)', "2 → 3"): _RANK,
    ("hint.py", "hint_of: for step, outcome in zip(plan.steps, outcomes, strict=True):", "True → False"): _ONE_LENGTH,
    ("order.py", "cycle_in: unseen, open_, closed = 0, 1, 2", "2 → 3"): _A_NAME,
    ("plan.py", ": recipes: bool = False", "False → True"): _SHORTER,
    (
        "plan.py",
        (
            "_drafts: return [drafting.draft(place, call) "
            "for place, call in zip(spliced.places, spliced.calls, strict=True)]"
        ),
        "True → False",
    ): _ONE_LENGTH,
    ("reference.py", "_is_plain: return False", "return False → return None"): _A_TRUTH,
    (
        "reference.py",
        "_is_plain: return not any(isinstance(value, _NESTED) for value in arguments.values())",
        "return not any((isinstance(value, _NESTED) for value in argu… → return None",
    ): _SHORTER,
    (
        "plan.py",
        "parts_of: return range(index - (0 if inside is None else len(inside.parts)), index)",
        "0 → 1",
    ): _NEVER,
    ("splice.py", '_is_later: return scan({"value": value}, "")[0] is not None', "'value' → 'valuex'"): _A_NAME,
    ("reply.py", "_share: for envelope, size in zip(results, sizes, strict=True):", "True → False"): _ONE_LENGTH,
}
