"""Data is on disk before storectl promises it, and data of a failed write never counts as stored.

A killed process loses nothing that it wrote, so killing a process cannot show this. The tests check
the order of the calls and what follows an error.
"""

from __future__ import annotations

import bz2
import ctypes
import errno
import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event

import exporter
from exporter import Format, SaveOptions
from store import Compression, ImportOptions, Store, errors
from store.files import page_cache
from store.model.digests import Digest
from store.model.limits import MIB
from store.model.references import Repository
from store.registry import upload as upload_module
from store.registry.registry import Registry
from store.workspace.file_locks import UPLOADS
from tests.support.images import A, Archive, B, config, image, layer
from tests.support.layouts import Blob, Layout, digest, gzip, plain, zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

APP = Repository("docker.io", "team/app")
LARGE = layer("large", os.urandom(9 * MIB))


@dataclass
class Calls:
    """The calls to the file system and the commits of the catalogue, in the order they happened."""

    made: list[tuple[str, Any, Any]] = field(default_factory=list)

    def all(self, name: str) -> list[int]:
        return [at for at, call in enumerate(self.made) if call[0] == name]

    def synced(self, path: Path) -> list[int]:
        return [at for at in self.all("fsync") if self.made[at][1] == path]

    def require_durable(self, below: Path) -> int:
        """Check that files were synced before their rename, and folders before the next commit.

        Return the number of files that were renamed into folders below ``below``.
        """
        count = 0
        for at in self.all("rename"):
            _, target, state = self.made[at]
            if below not in target.parents:
                continue
            count += 1
            assert [
                at_sync
                for at_sync in self.all("fsync")
                if at_sync < at and self.made[at_sync][2] == state
            ], f"{target} was renamed before it was synced"
            commit = min(at_commit for at_commit in self.all("commit") if at_commit > at)
            for folder in target.parents[: len(target.relative_to(below).parts)]:
                assert [one for one in self.synced(folder) if at < one < commit], (
                    f"{folder} was not synced between a rename into it and the commit"
                )
        return count


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    found = Calls()
    fsync, replace = os.fsync, os.replace

    def state(path: Path) -> tuple[int, int]:
        status = path.stat()
        return status.st_ino, status.st_size

    def note_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}")
        at = (path.readlink(), state(path))
        fsync(descriptor)
        found.made.append(("fsync", *at))

    def note_replace(source: Path, target: Path, *, dst_dir_fd: int | None = None) -> None:
        folder = Path() if dst_dir_fd is None else Path(f"/proc/self/fd/{dst_dir_fd}").readlink()
        found.made.append(("rename", folder / target, state(Path(source))))
        replace(source, target, dst_dir_fd=dst_dir_fd)

    def note_commit(_connection: object) -> None:
        found.made.append(("commit", None, None))

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    event.listen(Engine, "commit", note_commit)
    yield found
    event.remove(Engine, "commit", note_commit)


def described(*blobs: Blob, algorithm: str = "sha256") -> bytes:
    layout = Layout()
    layout.root(layout.image(*blobs, algorithm=algorithm), "docker.io/library/demo:1")
    return layout.tar()


def other_algorithm() -> Archive:
    """Return an archive with a layer that has both a SHA-256 digest and a SHA-512 digest."""
    document = config(LARGE).replace(digest(LARGE).encode(), digest(LARGE, "sha512").encode())
    return (
        Archive()
        .file("l", LARGE)
        .file("c", document)
        .manifest({"Config": "c", "RepoTags": ["demo:1"], "Layers": ["l"]})
    )


ARCHIVES: dict[str, tuple[Callable[[], bytes], int]] = {
    "docker": (lambda: image(A, LARGE).bytes(), 2),
    "gzip": (lambda: described(gzip(A), gzip(LARGE, 1)), 2),
    "zstd": (lambda: described(zstd(LARGE)), 1),
    "bzip2": (lambda: described(Blob(LARGE, bz2.compress(LARGE))), 2),
    "plain, sha512": (lambda: described(plain(LARGE), algorithm="sha512"), 1),
    "diff IDs of another algorithm": (lambda: other_algorithm().bytes(), 1),
}


@pytest.mark.parametrize("from_pipe", [False, True], ids=["file", "pipe"])
@pytest.mark.parametrize("compression", ["zstd", "none"])
@pytest.mark.parametrize("archive", ARCHIVES)
def test_an_import_is_durable_when_it_is_committed(
    archive: str, compression: str, *, from_pipe: bool, store: Store, calls: Calls, tmp_path: Path
) -> None:
    make, files = ARCHIVES[archive]
    (tmp_path / "archive.tar").write_bytes(make())
    source = io.BytesIO(make()) if from_pipe else tmp_path / "archive.tar"
    store.import_archive(source, ImportOptions(Compression.parse(compression)))
    assert calls.require_durable(store.root / "blobs") >= files
    # The list of renames is written before the first rename, because a sweep needs the list to undo
    # them.
    announced = [at for at in calls.all("fsync") if calls.made[at][1].name == "publishing"]
    assert announced
    assert announced[0] < calls.all("rename")[0]


def test_a_blob_is_durable_when_its_push_is_acknowledged(store: Store, calls: Calls) -> None:
    registry = Registry(store)
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(LARGE)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.finish(Digest.of(LARGE))
    assert calls.require_durable(store.root / "blobs") == 1


def test_only_the_last_request_of_a_push_waits_for_the_disk(store: Store, calls: Calls) -> None:
    """The rows of uploads survive a killed server.

    After a power failure a client continues from the bytes that are left, or starts again.
    """
    levels: list[int] = []

    def note(connection: Connection) -> None:
        if "store_write" not in connection.get_execution_options():
            return  # the end of a read unit
        levels.append(int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one()))

    event.listen(Engine, "commit", note)
    try:
        registry = Registry(store)
        for data in (b"first", b"second"):
            upload_id = registry.uploads.begin(APP)
            with registry.uploads.resume(APP, upload_id) as upload:
                upload.write(data)
            calls.made.clear()
            with registry.uploads.resume(APP, upload_id) as upload:
                upload.finish(Digest.of(data))
            assert not calls.synced(store.root / UPLOADS / upload_id), (
                "what was durable is synced once more"
            )
    finally:
        event.remove(Engine, "commit", note)
    soon, synced = 1, 2
    assert levels == [soon, soon, synced] * 2


# --- folders --------------------------------------------------------------------------------------


def test_the_end_of_an_upload_is_durable_after_a_killed_server_wrote_more(
    store: Store, calls: Calls
) -> None:
    uploads = Registry(store).uploads
    upload_id = uploads.begin(APP)
    with uploads.resume(APP, upload_id) as upload:
        upload.write(b"data")
    with (store.root / "uploads" / upload_id).open("ab") as file:
        file.write(b" that no row counts")
    calls.made.clear()
    uploads.resume(APP, upload_id).finish(Digest.of(b"data"))
    assert calls.require_durable(store.root / "blobs") == 1


def test_every_folder_that_a_new_store_needs_is_durable_before_its_catalogue_is(
    tmp_path: Path, calls: Calls
) -> None:
    root = tmp_path / "srv" / "images" / "store"
    Store.open(root, create=True).close()
    first = calls.all("commit")[0]
    for folder in (tmp_path, tmp_path / "srv", tmp_path / "srv" / "images", root):
        assert [at for at in calls.synced(folder) if at < first], folder


def test_a_saved_layout_is_durable_with_its_own_name(
    store: Store, tmp_path: Path, calls: Calls
) -> None:
    store.import_archive(io.BytesIO(image(A, B).bytes()))
    out = tmp_path / "out"
    for _ in range(2):
        calls.made.clear()
        with exporter.open_save(store, ["demo:1"], options=SaveOptions(Format.OCI)) as export:
            export.write_folder(out)
        index = max(at for at in calls.all("rename") if calls.made[at][1] == out / "index.json")
        # The second time every folder exists, but the process that made them may have died before
        # it synced them.
        for folder in (out / "blobs" / "sha256", out / "blobs", out):
            assert [at for at in calls.synced(folder) if at < index], folder
        assert [at for at in calls.synced(out) if at > index]
        if not calls.synced(tmp_path):
            break
    else:
        pytest.fail("the folder of an existing layout is synced again")


# --- errors of the disk ---------------------------------------------------------------------------


def refuse(number: int) -> Callable[..., None]:
    def call(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


def test_bytes_that_failed_to_sync_do_not_count_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk reports a lost write once. The next fsync of the file succeeds."""
    registry = Registry(store)
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"durable")
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b" and lost")
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refuse(errno.EIO))
            with pytest.raises(errors.Unavailable):
                upload.finish(Digest.of(b"durable and lost"))
    assert registry.uploads.offset(APP, upload_id) == len(b"durable")
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b" and well")
        upload.finish(Digest.of(b"durable and well"))


def test_an_upload_counts_what_is_durable_and_nothing_else(
    store: Store, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(store)
    upload_id = registry.uploads.begin(APP)
    calls.made.clear()
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"durable")
    assert calls.synced(store.root / UPLOADS / upload_id)[0] < calls.all("commit")[-1]
    for call in ("fsync", "begin_writeback"):
        with monkeypatch.context() as patch:
            patch.setattr(upload_module, "_WRITEBACK_BYTES", 1)
            patch.setattr(os if call == "fsync" else upload_module, call, refuse(errno.EIO))
            upload = registry.uploads.resume(APP, upload_id)
            with pytest.raises(errors.Unavailable):
                upload.write(b" and lost")
                upload.close()
            upload.close()
        assert registry.uploads.offset(APP, upload_id) == len(b"durable")
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.finish(Digest.of(b"durable"))


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_an_early_sync_error_ends_an_import(
    store: Store, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_arguments: object) -> int:
        ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(page_cache, "_sync_file_range", refused)
    with pytest.raises(errors.StorageFull if number == errno.ENOSPC else errors.Unavailable):
        store.import_archive(io.BytesIO(image(A, LARGE).bytes()))
    assert not list(store.blobs.digests())
    assert not store.images()
    monkeypatch.undo()
    store.import_archive(io.BytesIO(image(A, LARGE).bytes()))
    assert not list(store.fsck())
