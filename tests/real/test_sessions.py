"""What real clients said in recorded sessions is answered as it was when they were recorded."""

from pathlib import Path

import pytest
from tests.real.gates import http_headgate, serve_command
from tests.real.replay import replayed_over_http, replayed_over_stdio
from tests.real.sessions import FOLDER, read
from tests.real.walking import session_config

NAMES = [f"{client}-{transport}" for client in ("inspector", "python", "typescript") for transport in ("stdio", "http")]


def test_every_session_is_replayed() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*.txt")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
async def test_a_recorded_session_is_answered_as_it_was(tmp_path: Path, name: str) -> None:
    lines, config = read(FOLDER / f"{name}.txt"), session_config(tmp_path)

    if name.endswith("stdio"):
        pairs = await replayed_over_stdio(lines, serve_command(config))
    else:
        with http_headgate(config) as url:
            pairs = await replayed_over_http(lines, url)

    assert pairs
    assert [now for _, now in pairs] == [then for then, _ in pairs]
