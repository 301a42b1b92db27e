"""The table of faults names tests, and each of them is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMED = re.compile(r"`([\w./]+\.py|…)::(\w+)`")


def named_tests() -> list[tuple[str, str]]:
    """Path and name of each test in the table; … stands for the path before it."""
    found: list[tuple[str, str]] = []
    for path, name in NAMED.findall((ROOT / "docs/faults.md").read_text(encoding="utf-8")):
        found.append((found[-1][0] if path == "…" else path, name))
    return found


def test_each_test_that_the_table_of_faults_names_is_there() -> None:
    named = named_tests()
    assert len(named) > 30
    for path, name in named:
        assert re.search(rf"def {name}\(", (ROOT / path).read_text(encoding="utf-8")), f"{path}::{name}"
