"""What must not be shown, and what may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.proxy.redact import HIDDEN, redacted, secrets_in, secrets_in_args


def test_a_token_is_hidden_with_its_scheme_and_without() -> None:
    secrets = secrets_in({"Authorization": "Bearer sk-12345", "X-Mode": "on"})

    assert redacted("bad Bearer sk-12345", secrets) == f"bad {HIDDEN}"
    assert redacted("bad token sk-12345 (mode on)", secrets) == f"bad token {HIDDEN} (mode on)"


def test_the_longest_secret_is_hidden_first() -> None:
    assert redacted("abcdefgh", secrets_in({"A": "abcd", "B": "abcdefgh"})) == HIDDEN


def test_nothing_given_hides_nothing() -> None:
    assert redacted("all of this", secrets_in({})) == "all of this"
    assert redacted("a b", secrets_in({"EMPTY": "", "BLANK": "     "})) == "a b"


@pytest.mark.parametrize(
    ("args", "secrets"),
    [
        (["--api-key", "k-12345", "--port", "8080"], {"k-12345"}),
        (["--token=t-12345", "--mode=fast"], {"t-12345"}),
        (["--password", "--verbose", "shown"], set[str]()),
        (["GITHUB_PAT=p-12345", "-e", "MY_SECRET_KEY=s-12345"], {"p-12345", "s-12345"}),
        (["--header", "Authorization: Bearer b-12345"], {"Bearer b-12345", "b-12345"}),
        (["postgres://user:p-12345@db.example/orders"], {"p-12345"}),
        (["https://db.example/token:8080", "-m", "orders.server", "--author", "nobody"], set[str]()),
        (["--key", "abc"], set[str]()),
        (["-y", "@scope/server-keyboard", "--key", "k-12345"], {"k-12345"}),
    ],
)
def test_of_a_command_line_what_is_named_like_a_secret_is_hidden(args: list[str], secrets: set[str]) -> None:
    assert secrets_in_args(args) == secrets


@given(secret=st.text(min_size=4).filter(lambda text: text.strip() == text and len(text.splitlines()) == 1))
def test_a_secret_never_survives_wherever_it_stands(secret: str) -> None:
    text = redacted(f"before {secret} after {secret}{secret}", secrets_in({"TOKEN": secret}))

    assert secret not in text or secret in f"before {HIDDEN} after {HIDDEN}{HIDDEN}"
