"""The staging of layers and blobs."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

from store import Store, errors
from store.blobs.downloads import Downloads
from store.errors import InvalidArchive, TooLarge
from store.formats.compression.settings import Compression
from store.importing.staging import Staged, Stager, plain_bytes
from store.importing.workers import Pool
from store.model.contents import Codec
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS, MIB
from tests.support import tars
from tests.support.images import A
from tests.support.processes import open_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from store.workspace.operations import Operation

LAYER = tars.member(b"file", os.urandom(9 * MIB)) + tars.END


@pytest.mark.parametrize("level", [2, None], ids=["zstd", "none"])
@pytest.mark.parametrize("kind", ["layer", "blob"])
def test_a_file_is_synced_after_its_last_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: int | None, kind: str
) -> None:
    sizes: dict[Path, int] = {}
    sync = Pool.sync

    def noting(self: Pool, file: BinaryIO, path: Path) -> None:
        sizes[path] = os.fstat(file.fileno()).st_size
        sync(self, file, path)

    monkeypatch.setattr(Pool, "sync", noting)
    with (
        Store.open(tmp_path / "store", create=True) as store,
        store.operation("import") as operation,
        Pool(1) as pool,
    ):
        take = getattr(Stager(operation, pool, Compression(level), DEFAULT_LIMITS), kind)
        staged = take(
            (LAYER[at : at + MIB] for at in range(0, len(LAYER), MIB)),
            "layer.tar",
            lambda _size: None,
        )
        pool.durable()
        assert sizes == {staged.path: staged.path.stat().st_size}


def test_one_of_several_copies_of_a_large_layer_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(LAYER).hexdigest()}"]}
    configs = [
        json.dumps(
            {"os": "linux", "architecture": "amd64", "author": name, "rootfs": rootfs}
        ).encode()
        for name in "ab"
    ]
    manifest = [
        {"Config": f"{name}.json", "RepoTags": [f"{name}:1"], "Layers": [f"{name}/layer.tar"]}
        for name in "ab"
    ]
    members = [
        (b"a/layer.tar", LAYER),
        (b"b/layer.tar", LAYER),
        (b"a.json", configs[0]),
        (b"b.json", configs[1]),
        (b"manifest.json", json.dumps(manifest).encode()),
    ]
    read: list[str] = []
    layer = Stager.layer

    def noting(self: Stager, pieces: Any, member: str, *rest: Any, **more: Any) -> Any:  # noqa: ANN401 - passed to `Stager`
        read.append(member)
        return layer(self, pieces, member, *rest, **more)

    monkeypatch.setattr(Stager, "layer", noting)
    archive = tmp_path / "archive.tar"
    archive.write_bytes(b"".join(tars.member(name, data) for name, data in members) + tars.END)
    with Store.open(tmp_path / "store", create=True) as store:
        store.import_archive(archive)
    assert read == ["a/layer.tar"]


def staged(stager: Stager, data: bytes, *, keep_original: bool = False) -> Staged:
    """Pass ``data`` to the stager as a layer, in pieces of 100 bytes."""
    return stager.layer(
        (data[at : at + 100] for at in range(0, len(data), 100)),
        "layer.tar",
        lambda _size: None,
        keep_original=keep_original,
    )


def test_an_uncompressed_layer_is_encoded_and_has_the_digest_of_its_plain_bytes(
    stager: Stager,
) -> None:
    layer = staged(stager, A)
    assert (layer.codec, layer.is_ours, layer.seekable) == (Codec.ZSTD, True, False)
    assert layer.received == layer.diff
    assert layer.diff.digest == Digest.of(A)
    assert layer.stored.digest == Digest.of(layer.path.read_bytes())
    assert b"".join(plain_bytes(layer, DEFAULT_LIMITS)) == A


def test_a_gzip_layer_is_kept_as_received(stager: Stager) -> None:
    data = gzip.compress(A)
    layer = staged(stager, data)
    assert layer.path.read_bytes() == data
    assert (layer.codec, layer.is_ours) == (Codec.GZIP, False)
    assert (layer.received.digest, layer.diff.digest) == (Digest.of(data), Digest.of(A))


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress])
def test_bzip2_and_xz_layers_are_recoded_and_kept_only_if_something_may_name_them(
    stager: Stager, compress: Callable[[bytes], bytes]
) -> None:
    data = compress(A)
    alone, both = staged(stager, data), staged(stager, data, keep_original=True)
    assert (alone.original, alone.received.digest) == (None, Digest.of(A))
    assert both.original is not None
    assert both.original.path.read_bytes() == data
    assert both.received.digest == Digest.of(data)
    assert alone.diff == both.diff


@pytest.mark.parametrize(
    "data",
    [b"not a tar archive" * 100, gzip.compress(b"not a tar archive" * 100), gzip.compress(A)[:-9]],
    ids=["plain", "gzip", "cut"],
)
def test_bytes_that_are_not_a_layer_are_staged_with_the_problem(
    stager: Stager, data: bytes
) -> None:
    layer = staged(stager, data)
    assert layer.received.digest == Digest.of(data)
    with pytest.raises(InvalidArchive):
        layer.checked()


def test_only_the_original_of_a_damaged_xz_file_can_be_staged(stager: Stager) -> None:
    data = lzma.compress(A)[:-20]
    with pytest.raises(InvalidArchive):
        staged(stager, data)
    layer = staged(stager, data, keep_original=True)
    assert layer.original is not None
    with pytest.raises(InvalidArchive):
        layer.checked()


def test_a_layer_is_limited_as_received_and_decoded(store: Store, pool: Pool) -> None:
    limits = replace(DEFAULT_LIMITS, layer_bytes=len(A) - 1)
    with store.operation("import") as operation:
        stager = Stager(operation, pool, Compression(), limits)
        with pytest.raises(TooLarge) as caught:
            staged(stager, A)
        assert caught.value.limit == limits.layer_bytes
        bomb = staged(stager, gzip.compress(A))
        with pytest.raises(TooLarge):
            bomb.checked()
        with pytest.raises(TooLarge):
            stager.blob(iter((A,)), "blob", lambda _size: None)
        assert list(operation.folder.iterdir()) == [bomb.path]


@pytest.mark.parametrize("level", [1, None], ids=["zstd", "none"])
def test_another_digest_of_the_plain_bytes_becomes_an_alias(
    operation: Operation, pool: Pool, level: int | None
) -> None:
    stager = Stager(operation, pool, Compression(level), DEFAULT_LIMITS)
    layer = staged(stager, A)
    sha512 = Digest.of(A, "sha512")
    assert stager.has_diff(layer, Digest.of(A))
    assert not stager.has_diff(layer, Digest.of(b"other"))
    assert not stager.has_diff(layer, Digest.of(b"other", "sha512"))
    assert stager.has_diff(layer, sha512)
    alias = layer.aliases[sha512]
    assert alias.read_bytes() == layer.path.read_bytes()
    assert (alias == layer.path) is (level is not None)


def test_progress_is_reported_in_received_bytes(stager: Stager) -> None:
    for data in (A, gzip.compress(A), lzma.compress(A)):
        seen: list[int] = []
        stager.layer(iter((data[:50], data[50:])), "layer", seen.append)
        assert sum(seen) == len(data)


def test_a_blob_that_does_not_decode_is_closed_at_once(tmp_path: Path) -> None:
    # The caller may keep the error for long, and the error refers to the file that the decoder
    # read.
    broken = bz2.compress(random.Random(1).randbytes(200_000))[:-40] + bytes(40)
    stray = tars.member(b"blobs/sha256/" + hashlib.sha256(broken).hexdigest().encode(), broken)
    with Store.open(tmp_path / "store", create=True) as store:
        try:
            store.import_archive(io.BytesIO(stray + bytes(1024)))
        except errors.InvalidInput:
            held = open_files()
        assert not [
            target
            for target in held
            if target.startswith(str(tmp_path)) and target.endswith(" (deleted)")
        ]


@pytest.mark.parametrize("there", [0, 1, 5000])
@pytest.mark.parametrize("kind", ["identity", "gzip", "bzip2", "blob"])
def test_received_bytes_go_to_the_file_of_a_download(
    store: Store, operation: Operation, pool: Pool, kind: str, there: int
) -> None:
    data = LAYER if kind == "identity" else LAYER[: 9 * 1024]
    if kind in {"gzip", "bzip2"}:
        data = gzip.compress(data) if kind == "gzip" else bz2.compress(data)
    download = Downloads(store.root).open(Digest.of(data))
    assert download is not None
    download.file.write(data[:there])
    download.size_bytes = there
    stager = Stager(operation, pool, Compression(), DEFAULT_LIMITS)
    take: Callable[..., Staged] = (
        stager.blob if kind == "blob" else partial(stager.layer, keep_original=True)
    )
    staged = take(
        (data[at : at + MIB] for at in range(0, len(data), MIB)),
        "layer",
        lambda _size: None,
        download=download,
    )
    assert download.path.read_bytes() == data
    assert staged.received.digest == Digest.of(data)
    # What is stored as it came is not written twice.
    kept = (staged.original or staged).path
    assert (kept == download.path) == (kind != "identity")
    download.close()


def test_the_file_of_a_download_stays_when_its_source_fails(
    store: Store, operation: Operation, pool: Pool
) -> None:
    download = Downloads(store.root).open(Digest.of(b"whole"))
    assert download is not None

    def broken() -> Iterator[bytes]:
        yield gzip.compress(LAYER)[:4000]
        raise errors.Unavailable("the connection broke")

    stager = Stager(operation, pool, Compression(), DEFAULT_LIMITS)
    with pytest.raises(errors.Unavailable):
        stager.layer(broken(), "layer", lambda _size: None, download=download)
    assert download.path.stat().st_size == 4000
    assert list(operation.folder.iterdir()) == []
    download.close()
