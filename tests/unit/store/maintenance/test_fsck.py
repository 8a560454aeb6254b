from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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


@pytest.mark.parametrize("data", [b"", b"other bytes", None])
def test_a_changed_or_missing_file_is_damage_and_names_the_image(
    store: Store, image_id: ImageID, data: bytes | None
) -> None:
    digest = layer_file(store)
    if data is None:
        store.blobs.path(digest).unlink()
    else:
        store.blobs.path(digest).write_bytes(data)
    (verdict, *_) = check(store)
    assert (verdict.finding.kind, verdict.damaged) == ("damaged", digest)
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
