"""Members of a tar file that can be read at any offset."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from store.errors import TooLarge, TruncatedInput
from store.importing.members.tar_file import FileMembers
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS, Limits
from store.model.progress import Silent
from tests.support import tars
from tests.support.images import A, Archive, B

if TYPE_CHECKING:
    from store.importing.staging import Stager


class CountedBytes(io.BytesIO):
    """A file that counts the bytes read from it."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def opened(data: bytes, stager: Stager, limits: Limits = DEFAULT_LIMITS) -> FileMembers:
    members = FileMembers(io.BytesIO(data), stager, limits, Silent())
    members.read_headers()
    return members


def test_layers_are_not_read_before_they_are_asked_for(stager: Stager) -> None:
    layer = tars.member(b"f", bytes(1 << 20)) + tars.END
    source = CountedBytes(Archive().file("layer.tar", layer).file("other", layer).bytes())
    members = FileMembers(source, stager, DEFAULT_LIMITS, Silent())
    assert source.count == 0
    members.read_headers()
    assert source.count < 1 << 20
    assert members.layer("layer.tar").diff.digest == Digest.of(layer)
    assert 1 << 20 < source.count < 2 << 20


def test_a_link_and_its_target_are_one_layer(stager: Stager) -> None:
    archive = Archive().file("a/layer.tar", A).link("b/layer.tar", "../a/layer.tar")
    members = opened(archive.bytes(), stager)
    assert members.layer("b/layer.tar") is members.layer("a/layer.tar")


def test_the_last_of_two_members_with_one_name_counts(stager: Stager) -> None:
    members = opened(Archive().file("layer.tar", A).file("layer.tar", B).bytes(), stager)
    assert members.layer("layer.tar").diff.digest == Digest.of(B)


def test_a_large_sparse_member_is_refused_by_its_size(stager: Stager) -> None:
    data = tars.sparse_member(b"layer.tar", b"x" * 512, 1 << 40, [(0, 512)], "1.0")
    limits = replace(DEFAULT_LIMITS, layer_bytes=1 << 20)
    with pytest.raises(TooLarge):
        opened(data + tars.END, stager, limits).layer("layer.tar")


def test_a_file_that_ends_inside_a_header_is_refused(stager: Stager) -> None:
    with pytest.raises(TruncatedInput):
        opened(Archive().file("layer.tar", A).bytes()[:300], stager)
