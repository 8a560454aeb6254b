from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NoReturn

import pytest

from store.blobs.directory import DirectoryBlobs
from store.blobs.open_file import OpenFile
from store.catalog.checking import audit
from store.content import reader
from store.db.schema import content
from store.errors import CorruptStream, StorageFull
from store.files.os_errors import translate
from store.maintenance.fsck import Checker, Verdict
from store.maintenance.reports import Severity
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.progress import Silent
from store.model.remedies import Remedy
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import ImageID, Store


@pytest.fixture
def image_id(store: Store) -> ImageID:
    return put_image(store, A, B, tags=("x:1",))


def check(store: Store) -> list[Verdict]:
    return list(Checker(store, Silent()).run())


def kinds(store: Store) -> list[str]:
    return [verdict.finding.kind for verdict in check(store)]


def test_an_intact_store_has_no_findings(store: Store, image_id: ImageID) -> None:
    assert image_id
    assert check(store) == []


TAMPERED = {
    "marked-damaged": [
        "UPDATE content SET state = 'damaged' WHERE id = (SELECT min(content_id) FROM blob)"
    ],
    "wrong-diff": [
        (
            "CREATE TEMP TABLE pair AS SELECT min(content_id) AS a, max(content_id) AS b,"
            " (SELECT stored_id FROM encoding ORDER BY content_id LIMIT 1) AS sa,"
            " (SELECT stored_id FROM encoding ORDER BY content_id DESC LIMIT 1) AS sb FROM encoding"
        ),
        "DELETE FROM encoding",
        "INSERT INTO encoding SELECT a, sb, 'zstd', 1, 1, 1 FROM pair",
        "INSERT INTO encoding SELECT b, sa, 'zstd', 1, 1, 1 FROM pair",
    ],
    "no-bytes": ["DELETE FROM encoding WHERE content_id = (SELECT min(content_id) FROM encoding)"],
    "wrong-chain": [
        (
            "UPDATE layer SET chain_id = replace(chain_id, substr(chain_id, 60), '000000000000')"
            " WHERE depth = 2"
        ),
    ],
    "wrong-layers": ["UPDATE image SET top_layer_id = (SELECT id FROM layer WHERE depth = 1)"],
    "wrong-edges": ["DELETE FROM manifest_edge WHERE role = 'layer' AND position = 1"],
    "bad-manifest": [
        (
            "INSERT INTO manifest (content_id, media_type, kind)"
            " SELECT content_id, 'x/y', 'manifest' FROM image"
        )
    ],
    "bad-config": [
        (
            "INSERT INTO image (content_id, os, architecture, variant, diff_state)"
            " SELECT content_id, 'linux', 'amd64', '', 'verified' FROM manifest"
        )
    ],
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_each_wrong_row_is_found(store: Store, image_id: ImageID, kind: str) -> None:
    assert image_id
    with store.write() as connection:
        for statement in TAMPERED[kind]:
            connection.exec_driver_sql(statement)
    assert kind in kinds(store)


def layer_file(store: Store) -> Digest:
    """Return the digest of the blob that stores a layer."""
    (first, *_) = sorted(map(store.blobs.digest, store.blobs.locations()), key=str)
    return first


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


def test_damaged_content_is_marked_by_the_store(store: Store, image_id: ImageID) -> None:
    assert image_id
    digest = layer_file(store)
    store.blobs.path(digest).write_bytes(b"other bytes")
    assert list(store.fsck())
    assert store.sources((digest,))[digest].state is ContentState.DAMAGED


def test_a_file_without_a_row_is_a_warning_with_a_remedy(store: Store) -> None:
    digest = Digest.of(b"orphan")
    path = store.blobs.path(digest)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"orphan")
    (verdict,) = check(store)
    assert (verdict.finding.kind, verdict.damaged) == ("orphan", None)
    assert verdict.finding.severity is Severity.WARNING
    assert verdict.finding.remedy is Remedy.COLLECT_GARBAGE


def test_bytes_that_are_right_again_lose_their_mark(store: Store, image_id: ImageID) -> None:
    assert image_id
    digest = layer_file(store)
    (layer,) = {found for found, stored in encodings_of(store) if stored == digest}
    data = store.blobs.path(digest).read_bytes()
    store.blobs.path(digest).write_bytes(b"other bytes")
    assert [finding.kind for finding in store.fsck()] == ["damaged"]
    assert store.sources((layer,))[layer].state is ContentState.DAMAGED
    store.blobs.path(digest).write_bytes(data)
    (finding,) = store.fsck()
    assert (finding.kind, finding.severity) == ("marked-damaged", Severity.WARNING)
    for one in (digest, layer):
        assert store.sources((one,))[one].state is ContentState.PRESENT
    assert list(store.fsck()) == []


def encodings_of(store: Store) -> tuple[tuple[Digest, Digest], ...]:
    with store.read() as connection:
        return audit.encodings(connection)


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
        patch.setattr(reader, "stream", fail)
        assert {finding.kind for finding in store.fsck()} == {"unreadable"}
    assert list(store.fsck()) == []


def test_a_store_without_its_folder_of_blobs_is_not_marked(store: Store, image_id: ImageID) -> None:
    assert image_id
    (store.root / "blobs").rename(store.root / "away")
    assert {finding.kind for finding in store.fsck()} == {"unreadable"}
    (store.root / "away").rename(store.root / "blobs")
    assert list(store.fsck()) == []


def test_findings_come_before_marks_and_a_full_disk_ends_nothing(
    store: Store, image_id: ImageID, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert image_id
    for location in list(store.blobs.locations()):
        store.blobs.path(store.blobs.digest(location)).write_bytes(b"rotten")

    def full(*_: object, **__: object) -> NoReturn:
        raise StorageFull("store.db-wal: No space left on device")

    monkeypatch.setattr(store, "write", full)
    findings = list(store.fsck())
    assert [finding.kind for finding in findings] == ["damaged", "damaged", "not-recorded"]
    assert "the marks of 2 damaged" in findings[-1].message


def test_a_wrong_size_in_the_catalogue_is_no_damage(store: Store, image_id: ImageID) -> None:
    assert image_id
    digest = layer_file(store)
    with store.write("test") as connection:
        connection.execute(content.update().where(content.c.digest == digest).values(size_bytes=7))
    assert "wrong-size" in [finding.kind for finding in store.fsck()]
    assert store.sources((digest,))[digest].state is ContentState.PRESENT
