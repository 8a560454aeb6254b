from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.documents.records import decode, encode
from tests.support.catalog_rows import named

if TYPE_CHECKING:
    from store.db.changes import Value

A = str(named("a"))
RECORDS: list[tuple[str, tuple[Value, ...]]] = [
    ("document", (A, b"{\n}")),
    ("document", (A, b"")),
    ("manifest", (A, "application/json")),
    ("tag", ("docker.io/library/app", "1", A, "2026-01-02T03:04:05.000000Z")),
    ("tag", ("docker.io/library/app", "1", None, None)),
    ("held", ("example.org/app", A, None)),
    ("released", ("example.org/app", A)),
    ("kept", (A, "2026-01-02T03:04:05.000000Z")),
    ("dropped", (A,)),
    ("parent", (A, None)),
]


def test_records_are_read_as_they_were_written() -> None:
    data = b"".join(encode(kind, values) for kind, values in RECORDS)
    assert list(decode(data)) == RECORDS


def test_bytes_of_a_column_become_text() -> None:
    data = encode("source", (A, A, b'{"urls":["\\u00e9"]}'))
    assert list(decode(data)) == [("source", (A, A, '{"urls":["\\u00e9"]}'))]


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"[" * 100_000,
        b"{}",
        b"[]",
        b'["tag"]',
        b'["tag",1,2,3,4]',
        b'[["tag"],1]',
        b'["other","x"]',
        b'["kept","x",["y"]]',
    ],
)
def test_a_line_of_another_form_is_skipped(line: bytes) -> None:
    assert list(decode(line + b"\n" + encode(*RECORDS[0]))) == [RECORDS[0]]


@pytest.mark.parametrize(
    "line", [b'["document",1,2]', b'["document","x","y"]', b'["document","x",-1]']
)
def test_what_follows_a_document_of_unknown_size_is_not_guessed(line: bytes) -> None:
    assert list(decode(line + b"\n" + encode(*RECORDS[0]))) == []
