"""The members of a tar stream, which can be read only once."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import zstandard

from store.errors import InvalidArchive, StoreError, TooLarge, TruncatedInput
from store.importing.members.tar_stream import SMALL_BYTES, StreamMembers
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS, Limits
from store.model.progress import Silent
from tests.support import tars
from tests.support.images import A, Archive, layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.importing.staging import Stager
    from store.workspace.operations import Operation

LARGE = layer("large", random.Random(1).randbytes(SMALL_BYTES))
JUNK = random.Random(2).randbytes(SMALL_BYTES + 1)


def opened(data: bytes, stager: Stager, limits: Limits = DEFAULT_LIMITS) -> StreamMembers:
    members = StreamMembers(io.BytesIO(data), stager, limits, Silent())
    members.read()
    return members


def test_nothing_is_read_before_read(stager: Stager) -> None:
    source = io.BytesIO(Archive().file("layer.tar", A).bytes())
    members = StreamMembers(source, stager, DEFAULT_LIMITS, Silent())
    assert source.tell() == 0
    assert not members.exists("layer.tar")
    members.read()
    assert members.exists("layer.tar")


def test_small_members_are_staged_only_if_they_are_asked_for(
    stager: Stager, operation: Operation
) -> None:
    members = opened(Archive().file("layer.tar", A).bytes(), stager)
    assert list(operation.folder.iterdir()) == []
    assert members.layer("layer.tar").diff.digest == Digest.of(A)
    assert members.blob("layer.tar").path.read_bytes() == A
    assert len(list(operation.folder.iterdir())) == 2


def test_a_large_member_is_staged_as_a_layer_and_serves_as_a_blob(
    stager: Stager, operation: Operation
) -> None:
    members = opened(Archive().file("layer.tar", LARGE).bytes(), stager)
    (path,) = operation.folder.iterdir()
    assert members.layer("layer.tar").path == path
    assert members.blob("layer.tar").received.digest == Digest.of(LARGE)


def test_a_large_member_that_is_not_a_layer_matters_only_if_it_is_asked_for(
    stager: Stager,
) -> None:
    members = opened(Archive().file("junk", JUNK).file("layer.tar", A).bytes(), stager)
    assert members.blob("junk").received.digest == Digest.of(JUNK)
    with pytest.raises(InvalidArchive):
        members.layer("junk").checked()


def test_a_large_document_is_read_back(stager: Stager) -> None:
    document = json.dumps(["x" * SMALL_BYTES]).encode()
    assert opened(Archive().file("d", document).bytes(), stager).document("d") == document


@pytest.mark.parametrize(
    "compress", [gzip.compress, zstandard.compress, bz2.compress, lzma.compress]
)
def test_a_compressed_document_is_not_decoded(
    stager: Stager, compress: Callable[[bytes], bytes]
) -> None:
    packed = compress(b"[" + random.Random(3).randbytes(2 * SMALL_BYTES) + b"]")
    for name in ("manifest.json", f"blobs/sha256/{Digest.of(packed).hex}"):
        members = opened(Archive().file(name, packed).bytes(), stager)
        try:
            assert members.document(name) == packed
        except InvalidArchive:
            # Outside of blobs, bytes in bzip2 and xz are kept only decoded.
            assert name == "manifest.json"
            assert packed[:2] in (b"BZ", b"\xfd7")


def test_a_member_beyond_the_limit_is_refused_only_if_it_is_asked_for(stager: Stager) -> None:
    limits = replace(DEFAULT_LIMITS, layer_bytes=len(LARGE) - 1)
    archive = Archive().file("big", LARGE).file("layer.tar", A)
    members = opened(archive.bytes(), stager, limits)
    assert members.layer("layer.tar").diff.digest == Digest.of(A)
    for ask in (members.layer, members.blob):
        with pytest.raises(TooLarge):
            ask("big")


def test_a_stream_that_ends_inside_a_layer_is_refused_at_once(stager: Stager) -> None:
    cut = tars.member(b"layer.tar", LARGE)[:-1024]
    with pytest.raises(TruncatedInput):
        opened(cut, stager)


def test_prefetching_has_no_effect(stager: Stager, operation: Operation) -> None:
    members = opened(Archive().file("layer.tar", A).bytes(), stager)
    members.prefetch(["layer.tar", "missing"])
    assert list(operation.folder.iterdir()) == []
    with pytest.raises(StoreError):
        members.layer("missing")
