"""Where logins are kept: a file each for the user alone, locked with a key from the keyring where there is one."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import anyio.to_thread
import platformdirs

from headgate.proxy.connection import UnavailableError
from headgate.proxy.journal.owners import locked
from headgate.proxy.oauth.login import Login
from headgate.server.logins.keys import drop_key, find_key, make_key

_KEYRING_S = 10.0
"""How long a keyring may take, which may be asking a person to open it."""
_LOOK_S = 0.05


class Vault:
    """Keeps the login of one upstream: a `Keeper`, for all processes of one user."""

    def __init__(self, upstream: str, url: str, folder: Path | None = None) -> None:
        """A login is for one address: under another the upstream of that name has none."""
        self._upstream = upstream
        self._url = url
        self._entry = f"{upstream}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
        self.file = (folder or _folder()) / f"{self._entry}.login"
        self._key: str | None = None

    @property
    def way(self) -> Literal["keyring", "file"]:
        """Whether the key to the file is in a keyring, or it lies open to its owner; raises OSError."""
        return "file" if self.file.read_bytes()[:1] == b"{" else "keyring"

    def stamp(self) -> object:
        """Another one after each change; `None` where nothing is kept."""
        try:
            found = self.file.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    async def load(self) -> Login | None:
        """What is kept; raises UnavailableError."""
        try:
            async with asyncio.timeout(_KEYRING_S):
                return await anyio.to_thread.run_sync(self._read, abandon_on_cancel=True)
        except TimeoutError:
            raise self._unreadable("the keyring does not answer") from None

    async def save(self, login: Login) -> None:
        """Keep `login`; raises OSError, TimeoutError among them."""
        async with asyncio.timeout(_KEYRING_S):
            await anyio.to_thread.run_sync(self._write, login, abandon_on_cancel=True)

    def forget(self) -> bool:
        """Keep nothing any more; whether there was anything."""
        drop_key(self._entry)
        try:
            self.file.unlink()
        except FileNotFoundError:
            return False
        return True

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """Wait for other processes that are changing it, and keep them waiting."""
        self._make_folder()
        file = os.open(self.file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # The system has no way to wait for it that can be left.
            while not locked(file):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)
            yield
        finally:
            os.close(file)

    def _read(self) -> Login | None:
        try:
            content = self.file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(error.strerror or type(error).__name__) from None
        if content[:1] != b"{":
            content = self._unlocked(content)
        try:
            login = Login.model_validate_json(content)
        except ValueError:
            raise self._unreadable("it is damaged") from None
        return login if login.url == self._url else None

    def _unlocked(self, content: bytes) -> bytes:
        from cryptography.fernet import Fernet, InvalidToken  # noqa: PLC0415 - for logins only

        self._key = self._key or find_key(self._entry)
        if self._key is None:
            raise self._unreadable("its key is in a keyring, which does not give it out")
        try:
            return Fernet(self._key).decrypt(content)
        except (InvalidToken, ValueError):
            self._key = None  # somebody may have logged in anew
            raise self._unreadable("the key in the keyring is another") from None

    def _write(self, login: Login) -> None:
        self._make_folder()
        content = login.model_dump_json(exclude_none=True).encode()
        self._key = self._key or find_key(self._entry) or make_key(self._entry)
        if self._key is not None:
            from cryptography.fernet import Fernet  # noqa: PLC0415

            content = Fernet(self._key).encrypt(content)
        draft = self.file.with_suffix(f".{os.getpid()}.new")
        draft.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            draft.replace(self.file)
        finally:
            draft.unlink(missing_ok=True)

    def _make_folder(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.file.parent.chmod(0o700)

    def _unreadable(self, why: str) -> UnavailableError:
        return UnavailableError(
            f"its login cannot be read ({why}): run headgate auth login {self._upstream} to log in anew"
        )


def _folder() -> Path:
    return platformdirs.user_state_path("headgate", appauthor=False) / "logins"
