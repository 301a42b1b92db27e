"""The library behind the paths, and what is bounded about it. What paths find is in test_jsonpath.py."""

import pytest

from headgate.tools.bounded_path import BoundedPath, compiled
from headgate.tools.jsonpath import BadPathError, Work


def test_every_value_that_is_looked_at_counts_within_filters_too() -> None:
    plain, filtered = Work(), Work()
    compiled("$[*].a").values([{"a": 1}] * 10, plain)
    compiled("$[?@.a == 1]").values([{"a": 1}] * 10, filtered)

    assert Work().left - plain.left == 1 + 10 + 10
    assert Work().left - filtered.left == 1 + 10 * 2 + 10


def test_work_ends_a_path_at_the_value_that_is_one_too_many() -> None:
    assert compiled("$[*]").values([1, 2, 3], Work(left=4)) == [1, 2, 3]
    with pytest.raises(BadPathError):
        compiled("$[*]").values([1, 2, 3], Work(left=3))


def test_a_path_without_a_bound_of_its_own_has_the_usual_one() -> None:
    path = compiled("$.a")

    assert isinstance(path, BoundedPath)
    assert [match.obj for match in path.finditer({"a": 1})] == [1]
