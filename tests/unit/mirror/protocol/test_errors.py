"""The HTTP answer for each error of the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mirror.protocol.errors import _TABLE, WireError
from store.errors import IncompleteImage, MissingBlobs, StorageFull, StoreBusy, StoreError
from store.formats.distribution.errors import ErrorCode
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator


def _tree(base: type[StoreError]) -> Iterator[type[StoreError]]:
    yield base
    for below in base.__subclasses__():
        yield from _tree(below)


def test_every_error_of_the_store_has_an_answer() -> None:
    assert {known for known in _TABLE if not issubclass(known, StoreError)} == set()
    for error in _tree(StoreError):
        status, code = next(_TABLE[known] for known in error.__mro__ if known in _TABLE)
        assert 400 <= status < 600
        assert code.isupper()


def test_answer_tells_what_a_client_can_use_and_nothing_about_the_server() -> None:
    digest = Digest.of(b"")
    missing = WireError.of(MissingBlobs([("manifest", "layer 0", digest)]))
    assert (missing.status, missing.code, missing.detail) == (
        404,
        "MANIFEST_BLOB_UNKNOWN",
        [{"digest": str(digest)}],
    )
    # The message does not mention archives, and has no heading for a list that does not follow.
    assert missing.message == f"push the manifest's blobs first: the repository lacks {digest}"
    images = WireError.of(
        IncompleteImage("1 thing(s) are not here:\n  layer 0", missing=["layer 0"])
    )
    assert (images.status, images.code, images.detail) == (
        404,
        "MANIFEST_BLOB_UNKNOWN",
        ["layer 0"],
    )
    assert not images.message.endswith(":")
    full = WireError.of(StorageFull("/var/lib/secret: no space"))
    assert full.status == 507
    assert b"secret" not in full.body
    assert json.loads(WireError(400, ErrorCode.UNKNOWN, "a\x1b[31mb").body) == {
        "errors": [{"code": "UNKNOWN", "message": "a\\x1b[31mb"}]
    }


def test_a_client_is_told_when_to_try_again_and_not_for_whom_it_waited() -> None:
    busy = WireError.of(StoreBusy("waited 5 s for process 4711 (storectl)"))
    assert (busy.status, busy.code, busy.headers) == (503, "UNAVAILABLE", {"Retry-After": "5"})
    assert b"4711" not in busy.body
    assert WireError.of(StorageFull("full")).headers == {}


def test_the_body_of_an_error_has_a_ceiling() -> None:
    detail = [{"digest": f"sha256:{number:064}"} for number in range(10_000)]
    error = WireError(404, ErrorCode.MANIFEST_BLOB_UNKNOWN, "x" * 100_000, detail=detail)
    (entry,) = json.loads(error.body)["errors"]
    assert entry["detail"] == detail[:100]
    assert entry["message"] == "x" * 1000 + "…"
    assert len(error.body) < 20_000
