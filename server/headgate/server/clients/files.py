"""A client's config file on disk: read it whole, and replace it whole or not at all."""

import os
import shutil
from datetime import datetime
from pathlib import Path

from headgate.server.clients.edits import ConfigError

_PRIVATE = 0o600
_USUAL = 0o666
"""Less what the user's umask takes."""


def read(file: Path) -> str | None:
    """Text of `file` with its line endings as they are; `None` if it is not there."""
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as wrong:
        raise ConfigError(f"{file} is not UTF-8 text") from wrong


def replace(file: Path, before: str | None, after: str, *, now: datetime, private: bool = False) -> Path | None:
    """Put `after` in the place of `before`, all at once, and give the backup made of `before`.

    The file keeps its mode, or is its owner's alone if `private`; a link to it stays a link. A client may write its
    own file at any time: what it wrote since `before` was read is never lost, the change is refused instead.
    """
    target = file.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.new")
    backup = None
    try:
        _write(draft, after, _PRIVATE if private or before is not None else _USUAL)
        if before is not None and not private:
            shutil.copymode(target, draft)
        if read(target) != before:
            raise ConfigError(f"{file} changed while headgate was at it: run the command again")
        if before is not None:
            backup = _free_name(target, now)
            shutil.copy2(target, backup)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return backup


def _write(file: Path, text: str, mode: int) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        out.write(text.encode("utf-8"))
        out.flush()
        os.fsync(out.fileno())


def _free_name(file: Path, now: datetime) -> Path:
    stamp = f"{file.name}.{now:%Y%m%d-%H%M%S}"
    names = (file.with_name(f"{stamp}{again}.bak") for again in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(name for name in names if not name.exists())
