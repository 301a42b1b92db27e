"""The lock file as it stands on the disk: JSON, in a stable order, so that it can be kept under version control."""

import errno
import json
import os
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headgate.proxy.pins import AllPins
from headgate.tools.trust import Pin

LARGEST_FILE = 50_000_000
"""Bytes. What is larger is no lock file."""
_ABOUT = "What tools were when they were first seen or last accepted. headgate keeps it; see: headgate trust"
_BUSY_S, _STALE_S, _LOOK_S = 3.0, 10.0, 0.02
"""How long another writer is waited for; when it has died; how often to look."""


class LockError(Exception):
    """The lock file cannot be read. Its text says why, to follow the file's name."""


class _Pin(BaseModel):
    model_config = ConfigDict(strict=True)
    kind: Annotated[Literal["read", "write"], Field(alias="class")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    definition: dict[str, Any]


class _File(BaseModel):
    model_config = ConfigDict(strict=True)
    version: Literal[1]
    upstreams: dict[str, dict[str, _Pin]]


def read_lock(path: Path) -> dict[str, dict[str, Pin]]:
    """The pins in the lock file at `path`, by upstream and tool; none where there is no such file.

    Raises:
        LockError: It cannot be read, or is no lock file.

    """
    try:
        if not path.is_file() and path.exists():
            raise LockError("is not a file")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise LockError(f"cannot be read: {reason or 'this is not a path'}") from None
    if len(content) > LARGEST_FILE:
        raise LockError("is too large for a lock file")
    try:
        found = _File.model_validate_json(content)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, error["loc"]))
        raise LockError(f"is damaged: {f'{where}: ' if where else ''}{error['msg']}") from None
    return {
        upstream: {name: Pin(pin.sha256, pin.kind, pin.definition) for name, pin in tools.items()}
        for upstream, tools in found.upstreams.items()
    }


def write_pins(path: Path, pins: AllPins, *, accepted: bool, anew: bool = False) -> None:
    """Put `pins` into the lock file at `path`: over those that are there if they are `accepted`, else beside them.

    Other processes may do the same at the same time. `anew` gives up what a damaged file holds.

    Raises:
        LockError: The file that is there cannot be read, or with these it could not be.
        OSError: The file cannot be written.

    """
    path = path.resolve()  # where it is a link, what it leads to is written
    with _alone(path):
        present = {} if anew else read_lock(path)
        merged = {upstream: dict(tools) for upstream, tools in present.items()}
        for upstream, tools in pins.items():
            there = merged.setdefault(upstream, {})
            merged[upstream] = {**there, **tools} if accepted else {**tools, **there}
        if merged != present or anew:
            _replace(path, _content(merged))


def _content(pins: AllPins) -> bytes:
    """Where it would be too large to be read again, that is at the cost of the upstreams that take most room.

    Of theirs the definitions are left out: that one has changed is still noticed, and only what is other is not shown.
    """
    upstreams = {upstream: {name: _written(pin) for name, pin in tools.items()} for upstream, tools in pins.items()}
    content = _encoded({"about": _ABOUT, "version": 1, "upstreams": upstreams})
    sizes = {} if len(content) <= LARGEST_FILE else {name: len(_encoded(tools)) for name, tools in upstreams.items()}
    while len(content) > LARGEST_FILE and sizes:
        heaviest = max(sizes, key=lambda name: sizes[name])
        del sizes[heaviest]
        upstreams[heaviest] = {name: {**pin, "definition": {}} for name, pin in upstreams[heaviest].items()}
        content = _encoded({"about": _ABOUT, "version": 1, "upstreams": upstreams})
    if len(content) > LARGEST_FILE:
        raise LockError("would become too large")
    return content


def _encoded(part: Mapping[str, Any]) -> bytes:
    text = json.dumps(part, indent=1, sort_keys=True, ensure_ascii=False, default=str)
    return f"{text}\n".encode(errors="replace")  # half a surrogate pair would make a file that nobody reads again


def _written(pin: Pin) -> Mapping[str, Any]:
    return {"class": pin.kind, "sha256": pin.sha256, "definition": pin.definition}


def _replace(path: Path, content: bytes) -> None:
    """Put `content` in the place of the file at once: a reader sees the old or the new, a crash leaves one of them."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


@contextmanager
def _alone(path: Path) -> Generator[None]:
    """Wait for others who write the file, and keep them waiting. One that died in the middle is not waited for."""
    mark = path.with_name(f"{path.name}.busy")
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            break
        except FileExistsError:
            with suppress(FileNotFoundError):
                if abs(time.time() - mark.stat().st_mtime) > _STALE_S:  # clocks are set back, too
                    mark.unlink()
            if time.monotonic() > until:
                words = f"another headgate has been writing it for {_BUSY_S:g} s"
                raise TimeoutError(errno.ETIMEDOUT, words, str(path)) from None
            time.sleep(_LOOK_S)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            mark.unlink()
