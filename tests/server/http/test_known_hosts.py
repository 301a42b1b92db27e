"""Host and Origin: which names are ours."""

import pytest
from tests.server.http.inside import Asking, serving
from tests.server.processes import request

from headgate.server.http.known_hosts import known_names
from headgate.server.settings.serve import ServeSettings

LIST = request(1, "tools/list", {})
SERVE = ServeSettings(
    hosts=("gate.example", "exact.example:8443", "Named.Example"), origins=("https://app.example",), no_auth=True
)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "gate.example"}, 200),
        ({"host": "gate.example:8443"}, 200),
        ({"host": "exact.example:8443"}, 200),
        ({"host": "Gate.EXAMPLE:8443"}, 200),
        ({"host": "named.example"}, 200),
        ({"host": "exact.example"}, 421),
        ({"host": "evil.example"}, 421),
        ({"host": "gate.example.evil.example"}, 421),
        ({"host": "evil-gate.example"}, 421),
        ({"host": ""}, 421),
        ({"origin": "https://app.example"}, 200),
        ({"origin": "https://gate.example"}, 200),
        ({"origin": "http://app.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://app.example.evil.example"}, 403),
    ],
    ids=str,
)
async def test_a_request_under_a_name_that_is_not_ours_is_refused(headers: dict[str, str], status: int) -> None:
    async with serving(serve=SERVE) as inside:
        response = await Asking(inside).post(LIST, **headers)

    assert response.status_code == status


EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound to it


def test_a_server_bound_to_every_address_goes_by_the_names_it_was_given_alone() -> None:
    assert known_names(ServeSettings(), EVERYWHERE, 8080).allowed_hosts == []
    assert known_names(ServeSettings(), "[::]", 8080).allowed_hosts == []
    assert known_names(SERVE, EVERYWHERE, 8080).allowed_hosts == [
        "gate.example",
        "gate.example:*",
        "exact.example:8443",
        "named.example",
        "named.example:*",
    ]


def test_on_port_80_clients_leave_the_port_out() -> None:
    assert "localhost" in known_names(ServeSettings(), "127.0.0.1", 80).allowed_hosts
    assert "localhost" not in known_names(ServeSettings(), "127.0.0.1", 8080).allowed_hosts


async def test_what_is_refused_is_told_once_for_each_name(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(serve=SERVE) as inside:
        for host in ("evil.example", "evil.example", "other.example"):
            await Asking(inside).post(LIST, host=host)

    told = [record.getMessage() for record in caplog.records if record.name.startswith("headgate")]
    assert [line for line in told if "refused" in line] == [
        f'refused a request with Host "{host}": if it is meant to be served, put it in [serve] hosts'
        for host in ("evil.example", "other.example")
    ]
