"""The shape of the tree, where lint has no rule for it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("server", "proxy", "tools")
SOURCES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
MOST_LINES = 400
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc"}


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_hides_the_others_from_the_namespace(layer: str) -> None:
    assert not (ROOT / layer / "headgate" / "__init__.py").exists()


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_is_typed_and_says_what_it_is_for(layer: str) -> None:
    package = ROOT / layer / "headgate" / layer

    assert (package / "py.typed").exists()
    assert (package / "__init__.py").read_text(encoding="utf-8").startswith('"""')


def test_no_file_is_too_long_to_be_seen_as_one_thing() -> None:
    long = {str(path.relative_to(ROOT)): count for path in SOURCES if (count := _lines(path)) > MOST_LINES}

    assert long == {}


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [path for path in SOURCES if path.stem in SAYS_NOTHING] == []


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
