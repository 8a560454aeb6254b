from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from store.backup.blob_source import BlobSource, FaultyBlob
from store.backup.report import FaultKind
from store.errors import Unavailable
from store.model.digests import Digest

if TYPE_CHECKING:
    from store import Store


def read(store: Store, digest: Digest, size: int) -> bytes:
    out = bytearray()
    source = BlobSource(store, lambda *_: None)
    with source.opened(digest) as blob:
        source.pass_on(digest, blob, size, out.extend)
    return bytes(out)


def fault(store: Store, digest: Digest, size: int) -> FaultKind:
    with pytest.raises(FaultyBlob) as caught:
        read(store, digest, size)
    assert caught.value.fault.subject == str(digest)
    assert caught.value.fault.images
    return caught.value.fault.kind


def test_bytes_are_passed_on(filled: Store) -> None:
    for digest in filled.blobs.digests():
        data = filled.blobs.path(digest).read_bytes()
        assert read(filled, digest, len(data)) == data


def test_faults_are_told_apart(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = next(iter(filled.blobs.digests()))
    path = filled.blobs.path(digest)
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert fault(filled, digest, len(data)) is FaultKind.DAMAGED
    path.write_bytes(data + b"x")
    assert fault(filled, digest, len(data)) is FaultKind.DAMAGED
    path.write_bytes(b"x" * len(data))
    assert fault(filled, digest, len(data)) is FaultKind.DAMAGED
    path.unlink()
    assert fault(filled, digest, len(data)) is FaultKind.MISSING
    path.write_bytes(data)

    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "preadv", fail)
        assert fault(filled, digest, len(data)) is FaultKind.UNREADABLE
    assert read(filled, digest, len(data)) == data


def test_content_that_was_collected_is_no_damage(filled: Store) -> None:
    with pytest.raises(Unavailable, match="garbage collection"):
        read(filled, Digest.of(b"gone"), 4)
