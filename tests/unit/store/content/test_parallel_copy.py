from __future__ import annotations

import os
import random
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import zstandard

from store.blobs.directory import DirectoryBlobs
from store.blobs.memory import MemoryBlobs
from store.content import parallel_copy
from store.content.parallel_copy import Scatter
from store.content.reader import Reader
from store.errors import ContentMissing, DamagedContent, FalseEncoding
from store.formats.compression.seekable_zstd import seek_table
from store.model.contents import Codec, ContentState, Sources, StoredEncoding
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from store.blobs.protocol import BlobStore

PARTS = [random.Random(1).randbytes(5000), b"", b"of the same " * 5000]
CONTENT = b"".join(PARTS)
PLAIN = random.Random(2).randbytes(300_000)


def frames(*parts: bytes) -> bytes:
    made = [zstandard.ZstdCompressor(write_checksum=True).compress(part) for part in parts]
    sizes = [(len(one), len(part)) for one, part in zip(made, parts, strict=True)]
    return b"".join(made) + seek_table(sizes)


STORED = frames(*PARTS)
STREAM = zstandard.compress(CONTENT)


def plain(data: bytes) -> Sources:
    return Sources(
        Digest.of(data), len(data), ContentState.PRESENT, None, in_file=True, encodings=()
    )


def inline(data: bytes) -> Sources:
    return Sources(
        Digest.of(data), len(data), ContentState.PRESENT, data, in_file=False, encodings=()
    )


def encoded(stored: bytes, content: bytes = CONTENT, *, seekable: bool) -> Sources:
    encoding = StoredEncoding(
        Digest.of(stored), Codec.ZSTD, len(stored), seekable, is_ours=seekable
    )
    return Sources(
        Digest.of(content),
        len(content),
        ContentState.PRESENT,
        None,
        in_file=False,
        encodings=(encoding,),
    )


@pytest.fixture(params=["directory", "memory"])
def blobs_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., BlobStore]:
    def make(blobs: dict[Digest, bytes]) -> BlobStore:
        if request.param == "memory":
            return MemoryBlobs(blobs)
        folder = DirectoryBlobs(tmp_path)
        for digest, data in blobs.items():
            (tmp_path / "staged").write_bytes(data)
            folder.publish([(tmp_path / "staged", folder.location(digest))])
        return folder

    return make


@contextmanager
def scattering(blobs: BlobStore, target: Path) -> Iterator[Scatter]:
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT)
    try:
        with Reader(blobs) as reader, Scatter(blobs, reader, descriptor) as scatter:
            yield scatter
    finally:
        os.close(descriptor)


def test_every_form_of_content_goes_to_its_place(
    blobs_of: Callable[..., BlobStore], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"a file")
    blobs = blobs_of({Digest.of(data): data for data in (PLAIN, STORED, STREAM)})
    written: list[int] = []
    with scattering(blobs, tmp_path / "out") as scatter:
        scatter.put(b"head", 0)
        at = 10
        for sources in (
            plain(PLAIN),
            encoded(STORED, seekable=True),
            encoded(STREAM, seekable=False),
            inline(b"inline"),
        ):
            scatter.content(sources, at, written.append)
            at += sources.size_bytes
        scatter.file(tmp_path / "file", at, 6)
        scatter.finish()
    expected = b"head".ljust(10, b"\0") + PLAIN + CONTENT + CONTENT + b"inline" + b"a file"
    assert (tmp_path / "out").read_bytes() == expected
    assert sum(written) == len(PLAIN) + 2 * len(CONTENT) + 6


def test_an_encoding_with_a_broken_table_is_decoded_as_a_stream(
    blobs_of: Callable[..., BlobStore], tmp_path: Path
) -> None:
    broken = STORED[:-1] + b"?"
    with scattering(blobs_of({Digest.of(broken): broken}), tmp_path / "out") as scatter:
        scatter.content(encoded(broken, seekable=True), 0, lambda _: None)
        scatter.finish()
    assert (tmp_path / "out").read_bytes() == CONTENT


@pytest.mark.parametrize("position", [0, 4000, len(STORED) - 1])
def test_a_flipped_bit_in_any_stored_byte_is_damage(
    position: int, blobs_of: Callable[..., BlobStore], tmp_path: Path
) -> None:
    wrong = bytearray(STORED)
    wrong[position] ^= 1
    blobs = blobs_of({Digest.of(STORED): bytes(wrong)})
    with scattering(blobs, tmp_path / "out") as scatter:
        scatter.content(encoded(STORED, seekable=True), 0, lambda _: None)
        with pytest.raises(DamagedContent) as caught:
            scatter.finish()
    assert caught.value.digest == Digest.of(STORED)


@pytest.mark.parametrize("data", [PLAIN[:-1], PLAIN + b"?", b""])
def test_a_plain_blob_of_another_size_is_damage(
    data: bytes, blobs_of: Callable[..., BlobStore], tmp_path: Path
) -> None:
    with scattering(blobs_of({Digest.of(PLAIN): data}), tmp_path / "out") as scatter:
        scatter.content(plain(PLAIN), 0, lambda _: None)
        with pytest.raises(DamagedContent):
            scatter.finish()


def test_content_without_bytes_is_refused_at_once(tmp_path: Path) -> None:
    with scattering(MemoryBlobs(), tmp_path / "out") as scatter:
        for sources in (plain(PLAIN), encoded(STORED, seekable=True)):
            with pytest.raises(ContentMissing):
                scatter.content(sources, 0, lambda _: None)


def test_the_number_of_open_blobs_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a third blob is opened, the copy of the first blob is finished and found damaged."""
    monkeypatch.setattr(parallel_copy, "_MAX_OPEN", 2)
    blobs = MemoryBlobs({Digest.of(PLAIN): b"wrong"})
    with scattering(blobs, tmp_path / "out") as scatter:
        scatter.content(plain(PLAIN), 0, lambda _: None)
        scatter.content(inline(b"second"), 0, lambda _: None)
        with pytest.raises(DamagedContent):
            scatter.content(inline(b"third"), 0, lambda _: None)


def test_where_the_kernel_cannot_copy_the_bytes_are_read_and_written(
    blobs_of: Callable[..., BlobStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel_copy, "copy_in_kernel", lambda *_a, **_k: 0)
    with scattering(blobs_of({Digest.of(PLAIN): PLAIN}), tmp_path / "out") as scatter:
        scatter.content(plain(PLAIN), 3, lambda _: None)
        scatter.finish()
    assert (tmp_path / "out").read_bytes() == bytes(3) + PLAIN


@pytest.mark.parametrize("seekable", [True, False])
def test_what_a_foreign_encoding_decodes_to_is_hashed(tmp_path: Path, *, seekable: bool) -> None:
    found = encoded(STORED, CONTENT[:-1] + b"?", seekable=True)
    forged = replace(found.encodings[0], seekable=seekable, is_ours=False, is_checked=True)
    with scattering(MemoryBlobs({Digest.of(STORED): STORED}), tmp_path / "out") as scatter:
        scatter.content(replace(found, encodings=(forged,)), 0, lambda _: None)
        with pytest.raises(FalseEncoding) as caught:
            scatter.finish()
    assert (caught.value.digest, caught.value.content) == (Digest.of(STORED), found.digest)
