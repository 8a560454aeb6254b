from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from store.blobs.directory import DirectoryBlobs
from store.blobs.open_file import OpenFile
from store.content import reader
from store.content.frames import Frames
from store.db.schema import content
from store.errors import CorruptStream
from store.files.os_errors import translate
from store.maintenance.fsck import contents, decoding
from store.maintenance.reports import Severity
from store.model.contents import ContentState
from tests.support.checked_stores import check, layer_file

if TYPE_CHECKING:
    from store import ImageID, Store


@pytest.mark.parametrize(
    ("data", "kind"), [(b"", "damaged"), (b"other bytes", "damaged"), (None, "missing")]
)
def test_a_changed_or_missing_file_is_an_error_and_names_the_image(
    store: Store, image_id: ImageID, data: bytes | None, kind: str
) -> None:
    digest = layer_file(store)
    if data is None:
        store.blobs.path(digest).unlink()
    else:
        store.blobs.path(digest).write_bytes(data)
    (verdict,) = check(store)
    assert (verdict.finding.kind, verdict.damaged) == (kind, None if data is None else digest)
    assert verdict.finding.severity is Severity.ERROR
    assert image_id
    assert verdict.finding.images == ("docker.io/library/x:1",)


PASSING = [errno.EIO, errno.EACCES, errno.EMFILE, errno.ENOMEM, errno.ESTALE]


@pytest.mark.parametrize("number", PASSING)
@pytest.mark.parametrize("call", ["open", "lstat", "read", "pread"])
def test_content_that_cannot_be_read_is_reported_and_not_marked(
    store: Store, image_id: ImageID, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    assert image_id
    digest = layer_file(store)
    path = store.blobs.path(digest)
    failing = {
        "open": (DirectoryBlobs, "open"),
        "lstat": (DirectoryBlobs, "size"),
        "read": (OpenFile, "read"),
        "pread": (OpenFile, "pread"),
    }[call]

    def fail(*_: object) -> None:
        raise translate(OSError(number, os.strerror(number)), path)

    with monkeypatch.context() as patch:
        if call in ("lstat", "pread"):
            # A small blob is read with one call.
            patch.setattr(contents, "_SMALL_BYTES", 0)
        patch.setattr(*failing, fail)
        findings = list(store.fsck())
    assert {finding.kind for finding in findings} == {"unreadable"}
    assert {finding.severity for finding in findings} == {Severity.ERROR}
    assert store.sources((digest,))[digest].state is ContentState.PRESENT
    assert list(store.fsck()) == []


def test_a_decoder_without_memory_proves_nothing(
    store: Store, image_id: ImageID, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert image_id

    def fail(*_: object, **__: object) -> None:
        raise CorruptStream("corrupt zstd data: Allocation error : not enough memory")

    with monkeypatch.context() as patch:
        patch.setattr(decoding, "stream", fail)
        patch.setattr(Frames, "of", lambda *_: None)
        patch.setattr(reader, "stream", fail)
        assert {finding.kind for finding in store.fsck()} == {"unreadable"}
    assert list(store.fsck()) == []


def test_a_store_without_its_folder_of_blobs_is_not_marked(store: Store, image_id: ImageID) -> None:
    assert image_id
    (store.root / "blobs").rename(store.root / "away")
    assert {finding.kind for finding in store.fsck()} == {"unreadable"}
    (store.root / "away").rename(store.root / "blobs")
    assert list(store.fsck()) == []


def test_a_wrong_size_in_the_catalogue_is_no_damage(store: Store, image_id: ImageID) -> None:
    assert image_id
    digest = layer_file(store)
    with store.write("test") as connection:
        connection.execute(content.update().where(content.c.digest == digest).values(size_bytes=7))
    assert "wrong-size" in [finding.kind for finding in store.fsck()]
    assert store.sources((digest,))[digest].state is ContentState.PRESENT
