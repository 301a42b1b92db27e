"""What is told of how requests were answered."""

from collections.abc import Mapping
from typing import Any

import pytest

from headgate.server.direct.calls import Calls


@pytest.fixture
def directly(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The ids of the requests that were answered without the SDK."""
    answered: list[Any] = []
    answer = Calls.answer

    def noted(self: Calls, asked: Any, body: Mapping[str, Any]) -> None:
        answered.append(asked.identity)
        answer(self, asked, body)

    monkeypatch.setattr(Calls, "answer", noted)
    return answered
