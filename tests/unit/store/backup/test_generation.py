from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.backup import generation
from store.backup.generation import (
    MAX_DOCUMENT_BYTES,
    Generation,
    ListedBlob,
    Part,
    identifier,
    line,
    marker,
    order,
    parse_list,
    require_marker,
)
from store.errors import InvalidDocument
from store.model.digests import Digest

ONE, TWO = sorted((Digest.of(b"1"), Digest.of(b"2")), key=str)
SOUND = Generation(
    "20260102T030405Z",
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "0009",
    1,
    2,
    3,
    0,
    Part(4096, "0" * 64),
    Part(80, "f" * 64),
)


def test_a_generation_is_read_as_it_was_written() -> None:
    assert Generation.parse(SOUND.to_bytes()) == SOUND
    assert json.loads(SOUND.to_bytes())["files"]["blobs.txt"] == {"size": 80, "sha256": "f" * 64}


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"id": "../../etc"},
        {"id": 7},
        {"created": "yesterday"},
        {"created": None},
        {"schema": "0009; DROP"},
        {"images": -1},
        {"images": True},
        {"blobs": 1e3},
        {"blobBytes": 2**63},
        {"files": {}},
        {"files": []},
        {"files": {"store.db": {"size": 1, "sha256": "x"}, "blobs.txt": {}}},
        {"files": {"store.db": {"size": 2**60, "sha256": "0" * 64}}},
    ],
)
def test_an_invalid_generation_is_refused(change: dict[str, Any]) -> None:
    document = json.dumps({**json.loads(SOUND.to_bytes()), **change}).encode()
    with pytest.raises(InvalidDocument):
        Generation.parse(document)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b"\xff", b"[" * 50_000, b" " * MAX_DOCUMENT_BYTES + marker()]
)
def test_other_files_are_no_marker(data: bytes) -> None:
    require_marker(marker(), "x")
    with pytest.raises(InvalidDocument):
        require_marker(data, "x")


def test_a_backup_of_a_newer_program_is_named_so() -> None:
    with pytest.raises(InvalidDocument, match="version 2 of the format") as caught:
        require_marker(marker().replace(b"1", b"2"), "x")
    assert caught.value.hint is not None


def test_generations_of_one_second_get_numbers_and_sort_by_time() -> None:
    names: list[str] = []
    for _ in range(11):
        names.append(identifier(SOUND.created, set(names)))
    assert names[:2] == ["20260102T030405Z", "20260102T030405Z-2"]
    assert sorted(set(names), key=order) == names
    assert all(generation.IDENTIFIER.fullmatch(name) for name in names)


def test_a_list_is_read_as_it_was_written() -> None:
    blobs = [ListedBlob(ONE, 0), ListedBlob(TWO, 2**40, is_missing=True)]
    assert list(parse_list(map(line, blobs))) == blobs
    assert line(blobs[1]) == f"{TWO} 1099511627776 missing\n".encode()


@pytest.mark.parametrize(
    "lines",
    [
        [b"\n"],
        [f"{ONE}\n".encode()],
        [f"{ONE} -1\n".encode()],
        [f"{ONE} 9999999999999999999\n".encode()],
        [f"{ONE} 1 lost\n".encode()],
        [f"{ONE}  1\n".encode()],
        [f"{TWO} 1\n".encode(), f"{ONE} 1\n".encode()],
        [f"{ONE} 1\n".encode(), f"{ONE} 1\n".encode()],
        [b"sha999:" + b"0" * 64 + b" 1\n"],
        [b"sha512:" + b"0" * 64 + b" 1\n"],
        [b"\xff\n"],
    ],
)
def test_an_invalid_list_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(InvalidDocument):
        list(parse_list(lines))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_refused(data: bytes) -> None:
    try:
        found = list(parse_list(data.splitlines(keepends=True)))
    except InvalidDocument:
        return
    assert b"".join(map(line, found)).rstrip(b"\n") == data.rstrip(b"\n")
