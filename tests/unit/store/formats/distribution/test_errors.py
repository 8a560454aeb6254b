"""The JSON bodies of a registry's error answers."""

from __future__ import annotations

import json

import pytest

from store.formats.distribution.errors import ErrorCode, ErrorEntry, encode_errors, parse_errors


def test_encoded_errors_are_parsed_back() -> None:
    entries = (
        ErrorEntry(ErrorCode.BLOB_UNKNOWN, "no such blob", {"digest": "sha256:0"}),
        ErrorEntry("A_CODE_OF_ANOTHER_SERVER", "what"),
    )
    assert parse_errors(encode_errors(entries)) == entries


def test_message_has_no_control_characters_and_no_empty_detail() -> None:
    body = encode_errors((ErrorEntry(ErrorCode.UNKNOWN, "a\x1b[31mb"),))
    assert body.endswith(b"\n")
    assert json.loads(body) == {"errors": [{"code": "UNKNOWN", "message": "a\\x1b[31mb"}]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b'{"errors": {}}',
        b'{"errors": ["text"]}',
        b'{"message": "denied"}',
    ],
)
def test_body_in_another_form_has_no_errors(body: bytes) -> None:
    assert parse_errors(body) == ()


def test_members_of_a_wrong_type_are_empty() -> None:
    assert parse_errors(b'{"errors": [{"code": 7, "detail": [1]}]}') == (ErrorEntry("", "", [1]),)
