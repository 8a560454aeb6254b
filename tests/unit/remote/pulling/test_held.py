"""What the store has already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remote.pulling.held import HeldContent
from store.errors import DamagedContent
from store.model.digests import Digest
from store.model.references import Reference
from tests.support.images import A
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store

LAYER = gzip(A)
BLOB = Digest.of(LAYER.data)
ABSENT = Digest.of(b"absent")


@pytest.fixture
def manifest(store: Store, tmp_path: Path) -> Digest:
    layout = Layout()
    image = layout.image(LAYER)
    layout.root(image, "docker.io/team/app:1")
    (tmp_path / "layout.tar").write_bytes(layout.tar())
    store.import_archive(tmp_path / "layout.tar")
    return Digest.parse(image["digest"])


def test_names_and_documents(store: Store, manifest: Digest) -> None:
    held = HeldContent(store)
    tag = held.tag(Reference.parse("team/app:1"))
    assert tag is not None
    assert tag.digest == manifest
    assert held.tag(Reference.parse("team/app:2")) is None
    assert held.holds(Reference.parse(f"team/app@{manifest}"))
    assert not held.holds(Reference.parse(f"team/other@{manifest}"))
    assert not held.holds(Reference.parse("team/app:1"))
    data = held.document(manifest)
    assert data is not None
    assert Digest.of(data) == manifest
    assert held.document(ABSENT) is None


def test_blobs_whose_files_are_lost_or_wrong_are_absent(store: Store, manifest: Digest) -> None:
    held = HeldContent(store)
    assert held.present([BLOB, manifest, ABSENT]) == {BLOB, manifest}
    pieces = held.pieces(BLOB)
    assert pieces is not None
    assert b"".join(pieces) == LAYER.data
    assert held.pieces(ABSENT) is None
    assert held.unknown([BLOB, ABSENT]) == {ABSENT}
    path = store.blobs.path(BLOB)
    path.rename(path.with_suffix(".away"))
    assert held.present([BLOB, manifest]) == {manifest}
    assert held.unknown([BLOB]) == frozenset()
    assert held.pieces(BLOB) is None
    path.with_suffix(".away").rename(path)
    assert held.present([BLOB]) == {BLOB}


def test_wrong_bytes_show_when_they_are_read(store: Store, manifest: Digest) -> None:
    del manifest
    pieces = HeldContent(store).pieces(BLOB)
    assert pieces is not None
    store.blobs.path(BLOB).write_bytes(bytes(len(LAYER.data)))
    with pytest.raises(DamagedContent):
        b"".join(pieces)
