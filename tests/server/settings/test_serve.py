"""`[serve]` and `[tenants.NAME]` in the settings."""

import pytest
from tests.server.settings.reading import read, told

from headgate.server.settings.serve import Allowed, OAuthSettings, ServeSettings, TenantSettings
from headgate.tools.rules import Rate

HASH = "ab" * 32
TENANT = f"[tenants.a]\ntokens = ['sha256:{HASH}']\n"
OAUTH = "[serve.oauth]\nissuer = 'https://login.example'\nresource = 'https://gate.example/mcp'\n"


def test_without_such_tables_nobody_but_the_operator_is_known() -> None:
    assert (read("").serve, read("").tenants) == (ServeSettings(), {})


def test_everything_can_be_said() -> None:
    text = f"""
    [serve]
    hosts = ["gate.example", "[::1]:8443"]
    origins = ["https://app.example"]
    body_limit = "1MB"
    connections = 20
    drain = "5s"

    [serve.oauth]
    issuer = "https://login.example"
    resource = "https://gate.example/mcp"
    audience = "gate"
    jwks = "https://login.example/keys"
    scopes = ["headgate"]
    tools = ["orders__*"]
    rate_limit = "20/s"

    [tenants.support]
    tokens = ["sha256:{HASH}"]
    subjects = ["anna"]
    tools = ["orders__get_*"]
    rate_limit = "60/min"
    burst = 5
    """
    settings = read(text)

    oauth = OAuthSettings(
        "https://login.example",
        "https://gate.example/mcp",
        "gate",
        "https://login.example/keys",
        ("headgate",),
        Allowed(("orders__*",), Rate(20, 1.0, 20)),
    )
    assert settings.serve == ServeSettings(
        ("gate.example", "[::1]:8443"),
        ("https://app.example",),
        body_limit=1_000_000,
        connections=20,
        drain_s=5.0,
        oauth=oauth,
    )
    allowed = Allowed(("orders__get_*",), Rate(60, 60.0, 5))
    assert settings.tenants == {"support": TenantSettings("support", (bytes.fromhex(HASH),), ("anna",), allowed)}


def test_who_is_no_tenant_may_be_nobody() -> None:
    serve = read(OAUTH + "tenants_only = true\n").serve
    assert serve.oauth is not None
    assert (serve.oauth.allowed, serve.oauth.audience) == (None, "https://gate.example/mcp")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[serve]\nhosts = ['https://gate.example']", "2: serve.hosts[0]: write a host's name without http://"),
        ("[serve]\norigins = ['https://app.example/']", "2: serve.origins[0]: write an origin without a path"),
        ("[serve]\nhost = 'x'", '2: serve.host: unknown key; did you mean "hosts"?'),
        ("[serve]\nno_auth = true\n" + TENANT, "2: serve.no_auth: callers show"),
        ("[serve.oauth]\nissuer = 'https://login.example'", "1: serve.oauth.resource: name this server"),
        (OAUTH.replace("https://login", "http://login"), "2: serve.oauth.issuer: name the authorization server"),
        (OAUTH + "jwks = 'ftp://x'", "4: serve.oauth.jwks: name where"),
        (OAUTH + "burst = 3", "4: serve.oauth.burst: burst needs a rate_limit"),
        ("[tenants.a]\ntools = ['x']", "1: tenants.a: nobody can be this tenant"),
        ("[tenants.a]\ntokens = ['hg_secret']", "2: tenants.a.tokens[0]: only the hash of a token stands here"),
        ("[tenants.a]\nsubjects = ['anna']", "2: tenants.a.subjects: subjects come with the tokens"),
        ("[tenants.'a b']\ntokens = ['sha256:" + HASH + "']", '1: tenants."a b": a tenant\'s name is'),
        (
            f"[tenants.a]\ntokens = ['sha256:{HASH}']\n[tenants.b]\ntokens = ['sha256:{HASH}']",
            "4: tenants.b.tokens[0]: this is tenant a's",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: str) -> None:
    (only,) = told(text)

    assert only.startswith(line)
    assert "secret" not in only


def test_a_switch_that_the_environment_overrules_is_told_of() -> None:
    assert read("[headgate]\nparallel = true", HEADGATE_PARALLEL="0").notices == (
        "headgate.toml:2: headgate.parallel is without effect: HEADGATE_PARALLEL, or an option, is set",
    )
    assert read("[headgate]", HEADGATE_PARALLEL="0").notices == ()
