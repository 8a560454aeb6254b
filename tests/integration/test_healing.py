"""Content that is missing or damaged is whole again after an import or a push of its bytes."""

from __future__ import annotations

import gzip
import io
import os
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

import exporter
from store import Compression, ImportOptions, Store, errors
from store.db.schema import document
from store.model.digests import Digest
from store.registry.registry import Registry
from tests.support.damage import mark_damaged
from tests.support.images import A, Archive, B, config, image, layer
from tests.support.layouts import MANIFEST, Layout
from tests.support.layouts import gzip as gzip_blob
from tests.support.registry_pushes import APP, OTHER, image_manifest, push_blob, push_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LARGE = layer("large", os.urandom(300_000))
ARCHIVE = image(A, LARGE, tags=("app:1",)).bytes()
LAYOUT = Layout()
LAYOUT.root(LAYOUT.image(gzip_blob(A), gzip_blob(B)), "app:1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Yield a store with the real clock: times of files are compared with times of rows."""
    with Store.open(tmp_path / "store", create=True) as opened:
        yield opened


def remove(store: Store, digest: Digest) -> None:
    store.blobs.path(digest).unlink()


def cut(store: Store, digest: Digest) -> None:
    os.truncate(store.blobs.path(digest), store.blobs.path(digest).stat().st_size // 2)


def flip(store: Store, digest: Digest) -> None:
    data = bytearray(store.blobs.path(digest).read_bytes())
    data[len(data) // 2] ^= 1
    store.blobs.path(digest).write_bytes(data)


def flip_and_mark(store: Store, digest: Digest) -> None:
    flip(store, digest)
    mark_damaged(store, digest)


def only_mark(store: Store, digest: Digest) -> None:
    mark_damaged(store, digest)


HARM = [remove, cut, flip, flip_and_mark, only_mark]


def from_file(store: Store, archive: bytes, **options: object) -> None:
    path = store.root.parent / "archive.tar"
    path.write_bytes(archive)
    store.import_archive(path, ImportOptions(**options))  # type: ignore[arg-type]


def from_pipe(store: Store, archive: bytes, **options: object) -> None:
    store.import_archive(io.BytesIO(archive), ImportOptions(**options))  # type: ignore[arg-type]


def saved(store: Store, name: str = "app:1") -> bytes:
    out = io.BytesIO()
    with exporter.open_save(
        store, [name], options=exporter.SaveOptions(format=exporter.Format.OCI)
    ) as save:
        save.write(out)
    return out.getvalue()


def require_whole(store: Store, before: bytes) -> None:
    assert saved(store) == before
    # A file that an import has replaced by another encoding waits for the next collection.
    assert {finding.kind for finding in store.fsck()} <= {"orphan"}
    assert store.collect().orphan_files == 0
    assert list(store.fsck()) == []


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("bring", [from_file, from_pipe])
@pytest.mark.parametrize("archive", [ARCHIVE, LAYOUT.tar()], ids=["docker", "layout"])
def test_an_import_replaces_what_is_missing_or_damaged(
    store: Store,
    harm: Callable[[Store, Digest], None],
    bring: Callable[..., None],
    archive: bytes,
) -> None:
    from_pipe(store, archive)
    before = saved(store)
    for digest in list(store.blobs.digests()):
        harm(store, digest)
    bring(store, archive)
    require_whole(store, before)


@pytest.mark.parametrize("harm", HARM)
def test_an_import_with_another_compression_leaves_no_damaged_file(
    store: Store, harm: Callable[[Store, Digest], None]
) -> None:
    from_pipe(store, ARCHIVE)
    before = saved(store)
    for digest in list(store.blobs.digests()):
        harm(store, digest)
    from_file(store, ARCHIVE, compression=Compression(19))
    require_whole(store, before)


@pytest.mark.parametrize("bring", [from_file, from_pipe])
def test_an_import_replaces_damaged_bytes_in_the_catalogue(
    store: Store, bring: Callable[..., None]
) -> None:
    from_pipe(store, ARCHIVE)
    before = saved(store)
    with store.write("test") as connection:
        connection.execute(document.update().values(bytes=func.zeroblob(20)))
    bring(store, ARCHIVE)
    require_whole(store, before)


def test_an_import_that_lacks_the_bytes_marks_nothing(store: Store) -> None:
    from_pipe(store, ARCHIVE)
    before = saved(store)
    away = {}
    for digest in list(store.blobs.digests()):
        path = store.blobs.path(digest)
        away[path] = path.rename(path.with_suffix(".away"))
    entry = {"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["0/layer.tar", "1/layer.tar"]}
    without_layers = Archive().file("c.json", config(A, LARGE)).manifest(entry)
    with pytest.raises(errors.MissingLayers):
        from_file(store, without_layers.bytes())
    for path, other in away.items():
        other.rename(path)
    require_whole(store, before)


def push_in_chunks(registry: Registry, data: bytes) -> Digest:
    upload_id = registry.uploads.begin(APP)
    for half in (data[: len(data) // 2], data[len(data) // 2 :]):
        with registry.uploads.resume(APP, upload_id) as upload:
            upload.write(half)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.finish(Digest.of(data))
    return Digest.of(data)


def rot(store: Store, digest: Digest) -> None:
    """Flip a bit as a failing disk does: the times of the file stay as they are."""
    path = store.blobs.path(digest)
    status = path.stat()
    flip(store, digest)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("harm", [*HARM, rot])
@pytest.mark.parametrize("bring", [push_blob, push_in_chunks])
def test_a_push_of_a_blob_replaces_it(
    store: Store,
    harm: Callable[[Store, Digest], None],
    bring: Callable[[Registry, bytes], Digest],
) -> None:
    registry = Registry(store)
    packed = gzip.compress(A, mtime=0)
    push_image(registry, (A, packed))
    harm(store, Digest.of(packed))
    assert bring(registry, packed) == Digest.of(packed)
    assert store.blobs.path(Digest.of(packed)).read_bytes() == packed
    assert list(store.fsck()) == []


@pytest.mark.parametrize("harm", HARM)
def test_a_mount_of_a_damaged_blob_asks_for_its_bytes(
    store: Store, harm: Callable[[Store, Digest], None]
) -> None:
    registry = Registry(store)
    digest = push_blob(registry, LARGE)
    harm(store, digest)
    assert not registry.mount(OTHER, digest, lambda _: True)
    assert push_blob(registry, LARGE, OTHER) == digest
    assert registry.mount(APP, digest, lambda _: True)
    assert list(store.fsck()) == []


@pytest.mark.parametrize("harm", HARM)
def test_a_push_of_a_manifest_asks_for_damaged_blobs(
    store: Store, harm: Callable[[Store, Digest], None]
) -> None:
    registry = Registry(store)
    packed = gzip.compress(A, mtime=0)
    _, digest = push_image(registry, (A, packed))
    _, manifest = image_manifest((A, packed))
    harm(store, Digest.of(packed))

    def put() -> Digest:
        return registry.put_manifest(
            APP, manifest, media_type=MANIFEST, digest=None, tags=("1",)
        ).digest

    with pytest.raises(errors.MissingBlobs):
        put()
    push_blob(registry, packed)
    assert put() == digest
    assert list(store.fsck()) == []


def test_a_push_replaces_a_damaged_config_and_manifest(store: Store) -> None:
    registry = Registry(store)
    packed = gzip.compress(A, mtime=0)
    data, manifest = image_manifest((A, packed))
    push_image(registry, (A, packed))
    with store.write("test") as connection:
        connection.execute(document.update().values(bytes=func.zeroblob(20)))
    push_blob(registry, data)
    registry.put_manifest(APP, manifest, media_type=MANIFEST, digest=None, tags=("1",))
    with store.read() as connection:
        found = set(connection.execute(select(document.c.bytes)).scalars())
    assert manifest in found
    assert list(store.fsck()) == []
