"""Logins kept in a file, with their key in a keyring where there is one."""

import stat
from collections.abc import Generator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError, PasswordDeleteError
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from headgate.proxy.connection import UnavailableError
from headgate.proxy.oauth.login import Login
from headgate.server.logins.vault import Vault

URL = "https://shop.example/mcp"
SECRETS = ("access-1c9e", "refresh-77aa", "client-5d5d")


class InMemory(KeyringBackend):
    """A keyring, as long as it lasts."""

    priority = 1  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringError("locked")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        assert len(password) < 1_000, "more than some keyrings take"
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError


@pytest.fixture
def ring() -> Generator[InMemory]:
    before = keyring.get_keyring()
    keyring.set_keyring(ring := InMemory())
    yield ring
    keyring.set_keyring(before)


def login(token: str = SECRETS[0], url: str = URL) -> Login:
    client = OAuthClientInformationFull(client_id="c", client_secret=SECRETS[2])
    return Login(url=url, tokens=OAuthToken(access_token=token, refresh_token=SECRETS[1]), client=client)


def content_of(vault: Vault) -> bytes:
    assert stat.S_IMODE(vault.file.stat().st_mode) == 0o600
    return vault.file.read_bytes()


async def test_with_a_keyring_a_login_cannot_be_read_from_its_file(tmp_path: Path, ring: InMemory) -> None:
    vault = Vault("shop", URL, tmp_path)
    await vault.save(login())

    assert not [secret for secret in SECRETS if secret.encode() in content_of(vault)]
    assert not [secret for secret in SECRETS if secret in str(ring.kept)]
    assert await Vault("shop", URL, tmp_path).load() == login()
    assert vault.way == "keyring"


async def test_without_a_keyring_the_file_is_all_there_is(tmp_path: Path) -> None:
    vault = Vault("shop", URL, tmp_path)
    await vault.save(login())

    assert await Vault("shop", URL, tmp_path).load() == login()
    assert (vault.way, content_of(vault)[:1]) == ("file", b"{")


async def test_a_keyring_that_is_locked_leaves_the_login_as_it_is_and_says_so(tmp_path: Path, ring: InMemory) -> None:
    await Vault("shop", URL, tmp_path).save(login())
    ring.locked = True

    with pytest.raises(UnavailableError, match="its key is in a keyring, which does not give it out"):
        await Vault("shop", URL, tmp_path).load()
    ring.locked = False
    assert await Vault("shop", URL, tmp_path).load() == login()


async def test_each_change_leaves_another_stamp(tmp_path: Path) -> None:
    vault = Vault("shop", URL, tmp_path)
    stamps = [vault.stamp()]
    for token in ("a", "b"):
        await vault.save(login(token))
        stamps.append(vault.stamp())
    vault.forget()

    assert stamps[0] is vault.stamp() is None
    assert len(set(stamps)) == 3


async def test_what_is_forgotten_is_gone_from_file_and_keyring(tmp_path: Path, ring: InMemory) -> None:
    vault = Vault("shop", URL, tmp_path)
    await vault.save(login())

    assert vault.forget()
    assert (await vault.load(), ring.kept) == (None, {})
    assert not vault.forget()


async def test_whoever_logs_in_anew_after_the_keyring_was_emptied_is_in(tmp_path: Path, ring: InMemory) -> None:
    serving, command = Vault("shop", URL, tmp_path), Vault("shop", URL, tmp_path)
    await serving.save(login("old"))
    ring.kept.clear()
    await command.save(login("new"))

    with pytest.raises(UnavailableError):
        await serving.load()
    assert await serving.load() == login("new")
