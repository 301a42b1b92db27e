"""Documents, JSON and YAML, good and bad."""

import json

import pytest

from headgate.proxy.endpoints.openapi.document import BadDocumentError, read_document

YAML = b"""\
openapi: 3.1.0
info: {title: t, version: 2026-01-01}
paths:
  /a:
    get:
      responses:
        200: {description: ok, example: 2026-01-01}
"""


def test_json_and_yaml_say_the_same() -> None:
    as_json = json.dumps({"openapi": "3.0.3", "paths": {}}).encode()

    assert read_document(as_json).root == read_document(b"openapi: 3.0.3\npaths: {}\n").root
    assert read_document(b"\xef\xbb\xbf" + as_json).version == "3.0"


def test_integers_keep_their_digits_in_either() -> None:
    as_json = json.dumps({"openapi": "3.0.3", "paths": {}, "x-most": [2**65 + 1, 10**400]}).encode()
    as_yaml = f"openapi: 3.0.3\npaths: {{}}\nx-most: [{2**65 + 1}, {10**400}]\n".encode()

    assert read_document(as_json).root["x-most"] == read_document(as_yaml).root["x-most"] == [2**65 + 1, 10**400]


def test_what_yaml_takes_for_dates_and_numbers_is_what_json_has() -> None:
    document = read_document(YAML)

    assert document.version == "3.1"
    assert document.root["info"]["version"] == "2026-01-01"
    assert document.root["paths"]["/a"]["get"]["responses"]["200"]["example"] == "2026-01-01"


def test_what_has_no_quotes_is_what_json_has_or_a_text() -> None:
    plain = b"[NO, no, on, y, 12:30, 010, 0x1F, 1_000, =, .inf, true, False, ~, null, '', -7, 1.5, 1e3]"
    texts = ["NO", "no", "on", "y", "12:30", "010", "0x1F", "1_000", "=", ".inf"]

    document = read_document(b"openapi: 3.1.0\non: 1\nx: " + plain + b"\nempty:\n")

    assert document.root["x"] == [*texts, True, False, None, None, "", -7, 1.5, 1000.0]
    assert (document.root["on"], document.root["empty"]) == (1, None)


def test_what_is_merged_is_there() -> None:
    merged = b"openapi: 3.1.0\nbase: &base {a: 1, b: 2}\nx:\n  <<: *base\n  b: 3\n"

    assert read_document(merged).root["x"] == {"a": 1, "b": 3}


def test_a_later_version_is_read_as_3_1() -> None:
    assert read_document(b'{"openapi": "3.2.0"}').version == "3.1"


ALIASES = b"openapi: 3.1.0\na0: &a0 [x, x, x, x, x, x, x, x]\n" + b"".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 8)}]\n".encode() for level in range(1, 12)
)

MERGED = b"openapi: 3.1.0\na0: &a0 {x: 1}\n" + b"".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 90)}]}}\n".encode() for level in range(1, 6)
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no object"),
        (b"[]", "holds no object"),
        (b'{"swagger": "2.0"}', "is of Swagger 2.0"),
        (b'{"openapi": "4.0.0"}', "it says no openapi = 3.x"),
        (b'{"info": {}}', "it says no openapi = 3.x"),
        (b'{"openapi": "3.1.0", "paths": []}', "its paths are no object"),
        (b'{"openapi": "3.1.0"', "is no JSON"),
        (b"openapi: [3\nb", "is neither JSON nor YAML"),
        (b"a: !!python/object/apply:os.system [ls]", "is neither JSON nor YAML"),
        (b"\x00\x01", "is neither JSON nor YAML"),
        (ALIASES, "stands for more values"),
        (MERGED, "stands for more values"),
        (b"openapi: 3.1.0\na: &a [*a]\n", "nested too deeply, or in itself"),
        (b"openapi: 3.1.0\na: " + b"[" * 300 + b"]" * 300, "nested too deeply"),
        (b"a: " + b"[" * 200_000, "nested too deeply"),
        (b"- " * 200_000, "nested too deeply"),
    ],
    ids=range(16),
)
def test_what_is_no_document_is_told(content: bytes, words: str) -> None:
    with pytest.raises(BadDocumentError, match=words):
        read_document(content)
