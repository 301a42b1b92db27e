"""What must not be shown, and what may be."""

from hypothesis import given
from hypothesis import strategies as st

from headgate.proxy.redact import HIDDEN, redacted, secrets_in


def test_a_token_is_hidden_with_its_scheme_and_without() -> None:
    secrets = secrets_in({"Authorization": "Bearer sk-12345", "X-Mode": "on"})

    assert redacted("bad Bearer sk-12345", secrets) == f"bad {HIDDEN}"
    assert redacted("bad token sk-12345 (mode on)", secrets) == f"bad token {HIDDEN} (mode on)"


def test_the_longest_secret_is_hidden_first() -> None:
    assert redacted("abcdefgh", secrets_in({"A": "abcd", "B": "abcdefgh"})) == HIDDEN


def test_nothing_given_hides_nothing() -> None:
    assert redacted("all of this", secrets_in({})) == "all of this"
    assert redacted("a b", secrets_in({"EMPTY": "", "BLANK": "     "})) == "a b"


@given(secret=st.text(min_size=4).filter(lambda text: text.strip() == text and len(text.splitlines()) == 1))
def test_a_secret_never_survives_wherever_it_stands(secret: str) -> None:
    text = redacted(f"before {secret} after {secret}{secret}", secrets_in({"TOKEN": secret}))

    assert secret not in text or secret in f"before {HIDDEN} after {HIDDEN}{HIDDEN}"
