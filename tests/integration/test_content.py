"""Content in a store: layers of many frames, several encodings, and operating system errors."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

import exporter
from store import Compression, ImageID, ImportOptions, Store, errors
from store.files.os_errors import translated
from store.model.waiting import Waiting
from tests.support.images import A, Archive, config, digest, image, layer
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable


BIG = layer("big.bin", random.Random(7).randbytes(5_000_000) + bytes(6_000_000))


def put(
    store: Store,
    archive: Archive,
    *,
    stream: bool = False,
    compression: str = "zstd",
    tmp_path: Path | None = None,
) -> None:
    data = archive.bytes()
    options = ImportOptions(Compression.parse(compression), workers=2)
    if stream or tmp_path is None:
        store.import_archive(io.BytesIO(data), options)
        return
    path = tmp_path / "in.tar"
    path.write_bytes(data)
    store.import_archive(path, options)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("compression", ["zstd:1", "none"])
def test_layers_of_many_frames_come_out_whole(
    store: Store, save: Callable[..., bytes], tmp_path: Path, compression: str, *, stream: bool
) -> None:
    put(store, image(BIG, A), stream=stream, compression=compression, tmp_path=tmp_path)
    assert BIG in save("demo:1")
    assert not list(store.fsck())
    encoding = store.inspect("demo:1").layers[0].encodings[0]
    assert encoding.seekable
    assert encoding.codec == ("identity" if compression == "none" else "zstd")
    if compression != "none":
        path = store.blobs.path(encoding.digest)
        with path.open("rb") as file:
            assert (
                zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
                == BIG
            )
        if shutil.which("zstd"):
            assert (
                subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout == BIG
            )


def test_gzip_layers_keep_their_bytes(store: Store, save: Callable[..., bytes]) -> None:
    packed = gzip.compress(BIG, 1)
    put(
        store,
        Archive()
        .file("l", packed)
        .file("c", config(BIG))
        .manifest({"Config": "c", "RepoTags": ["demo:1"], "Layers": ["l"]}),
    )
    assert [str(one) for one in store.blobs.digests()] == [digest(packed)]
    assert BIG in save("demo:1")
    assert not list(store.fsck())


def test_foreign_zstd_layers_are_kept_and_decoded(store: Store, save: Callable[..., bytes]) -> None:
    packed = zstandard.ZstdCompressor().compress(BIG)
    put(
        store,
        Archive()
        .file("l", packed)
        .file("c", config(BIG))
        .manifest({"Config": "c", "RepoTags": ["demo:1"], "Layers": ["l"]}),
    )
    assert [str(one) for one in store.blobs.digests()] == [digest(packed)]
    assert BIG in save("demo:1")


@pytest.mark.parametrize("where", [100, 3_000_000, -20])
@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_a_flipped_bit_anywhere_in_a_blob_is_noticed(
    store: Store, tmp_path: Path, where: int, compression: str
) -> None:
    put(store, image(BIG), compression=compression)
    path = store.blobs.path(next(iter(store.blobs.digests())))
    data = bytearray(path.read_bytes())
    data[where] ^= 0x10
    path.write_bytes(data)
    with (
        pytest.raises(errors.DamagedContent),
        exporter.open_save(store, ["demo:1"]) as export,
        exporter.atomic_file(tmp_path / "out.tar") as file,
    ):
        export.write(file)
    assert not list(tmp_path.glob("*out.tar*"))


def test_large_configs_are_blobs_and_pass_through_a_pipe(
    store: Store, save: Callable[..., bytes]
) -> None:
    put(store, image(A, author="x" * 9_000_000), stream=True)
    found = ImageID.of(config(A, author="x" * 9_000_000))
    assert store.inspect("demo:1").image_id == found
    assert len(list(store.blobs.digests())) == 2
    save("demo:1")
    assert not list(store.fsck())


def test_many_small_members_of_a_pipe_overflow_into_staging(store: Store) -> None:
    archive = Archive()
    for number in range(400):
        archive.file(f"junk{number}", bytes(60_000))
    archive.members.extend(image(A).members)
    put(store, archive, stream=True)
    assert store.images()
    assert len(list(store.blobs.digests())) == 1


# --- errors of the operating system ---------------------------------------------------------------


def test_a_missing_store_is_reported(root: Path) -> None:
    with pytest.raises(errors.StoreNotFound):
        Store.open(root)
    with pytest.raises(errors.StoreNotFound):
        Store.open(root, create=True, read_only=True)


def test_a_store_opened_for_reading_saves_and_cannot_be_changed(store: Store, root: Path) -> None:
    put(store, image(A))
    with Store.open(root, read_only=True) as reading:
        out = io.BytesIO()
        with exporter.open_save(reading, ["demo:1"]) as export:
            export.write(out)
        assert A in out.getvalue()
        assert not list(reading.fsck())
        with pytest.raises(errors.ReadOnlyStore):
            reading.tag("demo:1", "x:1")
        digest_of = next(iter(reading.blobs.digests()))
        reading.report_damage(errors.DamagedContent("x", digest=digest_of))
    assert [event.action for event in store.events()] == ["import"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_reported(store: Store) -> None:
    put(store, image(A))
    with (
        pytest.raises(errors.StorageFull),
        translated("/dev/full"),
        Path("/dev/full").open("wb", buffering=0) as full,
        exporter.open_save(store, ["demo:1"]) as export,
    ):
        export.write(full)


@pytest.mark.parametrize(("patience_s", "is_told"), [(0.02, True), (600, False)])
def test_a_writer_that_waits_long_learns_who_holds_the_lock(
    root: Path, store: Store, monkeypatch: pytest.MonkeyPatch, patience_s: float, is_told: bool
) -> None:
    import threading

    monkeypatch.setattr("store.files.write_lock.PATIENCE_S", patience_s)
    told: list[str] = []
    inside, go = threading.Event(), threading.Event()

    def tell(owner: str) -> None:
        told.append(owner)
        go.set()

    with Store.open(root, waiting=Waiting(on_wait=tell)) as other:

        def hold() -> None:
            with store.write("import-42"):
                inside.set()
                go.wait(PATIENCE_S)

        holder = threading.Thread(target=hold)
        holder.start()
        assert inside.wait(PATIENCE_S)
        if not is_told:
            threading.Timer(0.2, go.set).start()
        with other.write("gc"):
            pass
        holder.join()
    assert [one.partition(" (")[0] for one in told] == (
        [f"import-42, process {os.getpid()}"] if is_told else []
    )
