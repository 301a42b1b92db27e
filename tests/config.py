"""headgate.toml files for tests: a journal of their own, and nothing read from the user's folders."""

from pathlib import Path
from typing import Any

import tomlkit


def write_config(
    folder: Path, upstreams: dict[str, Any], *, headgate: dict[str, Any] | None = None, **tables: dict[str, Any]
) -> Path:
    """Write `folder/headgate.toml`; `headgate` and other tables such as `defaults` as the contract has them."""
    own = {"journal": str(folder / "journal.db"), **(headgate or {})}
    path = folder / "headgate.toml"
    path.write_text(tomlkit.dumps({"headgate": own, **tables, "upstreams": upstreams}), encoding="utf-8")
    return path
