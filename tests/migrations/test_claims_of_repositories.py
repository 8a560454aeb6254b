"""The upgrade to revision 0007: each manifest has a state, and absent content has no size."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.model.contents import DiffState
from store.model.digests import Digest
from store.registry.registry import Registry
from tests.support import images
from tests.support import old_stores as older
from tests.support.layouts import Layout
from tests.support.old_stores import NOW
from tests.support.registry_pushes import OTHER, push_blob, push_image, squeezed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Make a store of revision 0006 in which one client's claims count for everybody."""
    full = tmp_path / "full"
    with Store.open(full, create=True, clock=lambda: NOW) as store:
        store.import_archive(io.BytesIO(images.image(images.A, tags=("imported:1",)).bytes()))
        registry = Registry(store)
        push_image(registry, (images.A, images.B), diffs=(images.A,), tags=("junk",))
        image_id, _ = push_image(registry, (images.B, squeezed(images.B)), tags=("gzip",))
        store.verify_image(image_id)
        push_image(registry, (images.A, images.B), (images.B, images.A), tags=("swapped",))
        layout = Layout()
        layout.root(layout.index(layout.absent()), "docker.io/library/sparse:1")
        store.import_archive(io.BytesIO(layout.tar()))
        push_blob(registry, b"blob", OTHER)
    root = older.older_store(full, tmp_path / "old", "0006", tmp_path / "scripts")
    with closing(sqlite3.connect(root / "store.db", isolation_level=None)) as connection:
        connection.execute("UPDATE content SET size_bytes = 7 WHERE state = 'absent'")
        # The older version called an image verified if its diffs came from elsewhere.
        connection.execute("UPDATE image SET diff_state = 'verified'")
    return root


def states(root: Path) -> dict[str, str]:
    """Return the states of the manifests that have tags, by tag."""
    query = (
        "SELECT reference.tag, manifest.diff_state FROM reference JOIN manifest ON"
        " manifest.content_id = reference.manifest_id WHERE manifest.kind = 'manifest'"
    )
    with closing(sqlite3.connect(root / "store.db")) as connection:
        return dict(connection.execute(query).fetchall())


def test_only_manifests_with_proven_layers_are_verified(old: Path) -> None:
    Store.upgrade(old)
    assert states(old) == {
        "1": "verified",
        "junk": "unverified",
        "gzip": "verified",
        "swapped": "unverified",
    }


def test_images_without_a_verified_manifest_are_checked_again(old: Path) -> None:
    Store.upgrade(old)
    with Store.open(old) as store:
        waiting = [image_id for image_id, _ in store.unverified_images(limit=9)]
        found = {store.verify_image(image_id) for image_id in waiting}
        assert store.unverified_images(limit=9) == []
        assert {one.kind for one in store.fsck()} == {"contradiction"}
    assert found == {DiffState.VERIFIED, DiffState.MISMATCH}
    assert (states(old)["junk"], states(old)["swapped"]) == ("mismatch", "mismatch")


def test_absent_content_has_no_size(old: Path) -> None:
    Store.upgrade(old)
    with closing(sqlite3.connect(old / "store.db")) as connection:
        query = "SELECT state, size_bytes IS NULL FROM content GROUP BY 1, 2 ORDER BY 1"
        assert connection.execute(query).fetchall() == [("absent", 1), ("present", 0)]
    with Store.open(old) as store:
        (link,) = store.inspect_manifest("sparse:1").links
        assert link.size_bytes != 7
        assert store.sources((Digest.of(b"blob"),))[Digest.of(b"blob")].size_bytes == 4
