"""The official conformance suite through headgate: nothing fails there that does not fail without it."""

from pathlib import Path

import pytest
from tests.real.conformance import REVISIONS, behind_headgate, fixture_server, verdicts, worse

pytestmark = pytest.mark.real


@pytest.mark.parametrize("revision", REVISIONS)
def test_no_scenario_that_passes_directly_fails_through_headgate(tmp_path: Path, revision: str) -> None:
    with fixture_server() as url:
        direct = verdicts(url, revision)
        with behind_headgate(url, tmp_path, revision) as served:
            through = verdicts(served, revision)

    failing = {name for name, verdict in direct.items() if verdict.failed}
    assert all(name.startswith("tasks-") for name in failing)  # an extension that the fixture does not have
    assert len(direct) - len(failing) > 30
    assert worse(direct, through) == []
