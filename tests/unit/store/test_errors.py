from __future__ import annotations

import re

import pytest

from store import errors
from store.errors import (
    DigestMismatch,
    InvalidArchive,
    InvalidDocument,
    MissingBlobs,
    MissingLayers,
    StoreError,
)
from store.model.digests import DiffID, Digest

DIGEST = Digest.of(b"data")


def tree() -> dict[str, str]:
    """Return the tree in `errors.__doc__` as a mapping from class name to base class name."""
    above: dict[str, str] = {}
    path: list[str] = []
    assert errors.__doc__ is not None
    for line in errors.__doc__.splitlines():
        if match := re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line):
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            if depth:
                above[match[2]] = path[depth - 1]
    return above


def leaves(kind: type[StoreError]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in kind.__subclasses__():
        if one.__module__ in ("store.errors", "store.model.base_errors"):
            found[one.__name__] = kind.__name__
            found.update(leaves(one))
    return found


def test_the_documented_tree_is_the_tree_of_classes() -> None:
    assert tree() == leaves(StoreError)


def test_every_error_is_offered_here() -> None:
    assert set(errors.__all__) == {*leaves(StoreError), "StoreError", "printable"}


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ({}, "bad"),
        ({"member": "a\x1b"}, r"bad, member 'a\\x1b'"),
        ({"offset": 0}, "bad, at byte 0"),
        ({"member": "", "offset": 512}, "bad, member '', at byte 512"),
    ],
)
def test_an_archive_error_says_where(where: dict[str, object], text: str) -> None:
    error = InvalidArchive("bad", **where)  # type: ignore[arg-type]
    assert error.message == text
    assert (error.member, error.offset) == (where.get("member"), where.get("offset"))


def test_a_document_error_begins_with_the_document() -> None:
    assert InvalidDocument("bad", document="config").message == "config: bad"
    assert InvalidDocument("bad").message == "bad"


def test_a_mismatch_quotes_both_digests() -> None:
    error = DigestMismatch("layer 3", want=DIGEST, got="sha256:other")
    assert error.message == f'layer 3: expected "{DIGEST}", got "sha256:other"'


def test_missing_content_is_listed_a_line_each() -> None:
    layers = MissingLayers([("a\x1b", 0, DiffID(DIGEST)), ("b", 7, DiffID(DIGEST))])
    assert layers.message.splitlines()[1:] == [
        f"  layer 0 of a\\x1b: {DIGEST}",
        f"  layer 7 of b: {DIGEST}",
    ]
    blobs = MissingBlobs([("index.json", "layer 2", DIGEST)])
    assert blobs.message.splitlines()[1:] == [f"  layer 2 of index.json: {DIGEST}"]
