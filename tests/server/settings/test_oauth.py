"""`oauth` of an upstream."""

import pytest
from tests.server.settings.reading import one_upstream, refusal, told

from headgate.proxy.target import HttpTarget, OAuthClient

URL = "url = 'https://x'\n"


def client(text: str, **environ: str) -> OAuthClient | None:
    target = one_upstream(f"{URL}oauth = {{ {text} }}", **environ).target
    assert isinstance(target, HttpTarget)
    return target.oauth


def test_a_secret_means_client_credentials_and_without_one_a_person_logs_in() -> None:
    text = "client_id = 'a', client_secret = '${S}', scope = 'read write', issuer = 'https://login.example/t'"

    assert client(text, S="s") == OAuthClient("client_credentials", "a", "s", "read write", "https://login.example/t")
    assert client("") == OAuthClient("authorization_code")
    assert client("client_id = 'a', redirect_port = 3118") == OAuthClient(client_id="a", redirect_port=3118)
    assert client(f"grant = 'authorization_code', {text}", S="s") == OAuthClient(
        "authorization_code", "a", "s", "read write", "https://login.example/t"
    )


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("client_id = 'a', client_secret = 's'", "client_secret", "say whose secret this is"),
        ("client_secret = 's', issuer = 'https://l'", "client_secret", "a secret comes with the client_id"),
        ("grant = 'client_credentials', client_id = 'a'", "grant", "a client_id and a client_secret; give both"),
        ("client_id = ''", "client_id", "an id is ASCII text"),
        ("scope = 'a  b'", "scope", "scopes stand in one text"),
        ("scope = 'a\"b'", "scope", "scopes stand in one text"),
        ("issuer = 'http://login.example'", "issuer", "with https://"),
        ("issuer = 'https://u:p@login.example'", "issuer", "with https://"),
        ("redirect_port = 0", "redirect_port", "1 to 65535"),
        ("client = 'a'", "client", "client_id"),
    ],
)
def test_what_cannot_be_is_told_where_it_stands(text: str, key: str, words: str) -> None:
    (problem, *_) = told(f"[upstreams.u]\n{URL}oauth = {{ {text} }}")

    assert problem.startswith(f"3: upstreams.u.oauth.{key}: ")
    assert words in problem


def test_an_authorization_header_leaves_no_room_for_it() -> None:
    text = f"[upstreams.u]\n{URL}headers = {{ authorization = 'x' }}\noauth = {{}}"

    assert told(text) == [
        "4: upstreams.u.oauth: an Authorization header is configured too; an upstream gets one or the other"
    ]


def test_it_goes_with_url() -> None:
    assert "this goes with url" in str(refusal("[upstreams.u]\ncommand = 'x'\noauth = {}"))
