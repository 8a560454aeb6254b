from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.errors import Conflict
from store.model.digests import Digest
from store.workspace import copied_root
from store.workspace.copied_root import PLACE
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _filled(root: Path) -> None:
    with Store.open(root, create=True) as store:
        put_image(store, A, tags=("a:1",))
        put_image(store, A, B, tags=("ab:1",))


def warnings(root: Path, caplog: pytest.LogCaptureFixture, hours: float = 1) -> list[str]:
    """Return the warnings of a process that opens the store some time later."""
    caplog.clear()
    later = datetime.now(UTC) + timedelta(hours=hours)
    with Store.open(root, clock=lambda: later):
        pass
    return [record.getMessage() for record in caplog.records]


def copied(root: Path, name: str = "copy") -> Path:
    shutil.copytree(root, root.with_name(name))
    return root.with_name(name)


def test_the_place_is_recorded_once(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert warnings(root, caplog) == []
    before = (root / PLACE).stat()
    assert (root / PLACE).read_text().split() == [
        str(root.stat().st_ino),
        str((root / "store.db").stat().st_ino),
    ]
    assert warnings(root, caplog) == []
    assert (root / PLACE).stat() == before


def test_whole_copies_and_moved_stores_open_silently(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings(copied(root), caplog) == []
    moved = root.rename(root.with_name("moved"))
    assert warnings(moved, caplog) == []
    restored = moved.with_name("restored")
    shutil.copytree(moved, restored)
    shutil.rmtree(moved)
    restored.rename(moved)
    assert warnings(moved, caplog) == []


def test_a_copy_without_its_newest_content_is_named(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = copied(root)
    with Store.open(root) as store:
        newest = next(iter(store.blobs.digests()))
    path = copy / "blobs" / "sha256" / newest.hex[:2] / newest.hex
    data = path.read_bytes()
    path.unlink()
    for _ in range(2):
        (line,) = warnings(copy, caplog)
        assert "1 of its newest 2 files are missing" in line
    path.write_bytes(data)
    assert warnings(copy, caplog) == []
    path.unlink()
    # From now on this is the place of the store, and `fsck` reports what is lost.
    assert warnings(copy, caplog) == []


def test_a_copy_with_an_older_catalogue_is_named(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = copied(root)
    data = b"from a later import"
    digest = Digest.of(data)
    path = copy / "blobs" / "sha256" / digest.hex[:2] / digest.hex
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    assert warnings(copy, caplog, hours=0) == []
    (copy / PLACE).unlink()
    (line,) = warnings(copy, caplog)
    assert "lacks 1 of the 3 files" in line
    with Store.open(copy) as store:
        store.collect()
    assert warnings(copy, caplog) == []


def test_a_copy_that_shares_its_catalogue_is_refused(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings(root, caplog) == []
    copy = root.with_name("copy")
    shutil.copytree(root, copy, copy_function=os.link)
    with pytest.raises(Conflict, match="hard link"):
        Store.open(copy)
    assert warnings(root, caplog) == []
    shutil.copy(copy / "store.db", copy / "store.db.new")
    (copy / "store.db.new").rename(copy / "store.db")
    assert warnings(copy, caplog) == []


def test_nothing_is_recorded_where_nothing_can_be_written(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / PLACE).unlink()

    def full(*_: object) -> int:
        raise OSError(28, "full")

    monkeypatch.setattr(copied_root, "create_file", full)
    assert warnings(root, caplog) == []
    assert not (root / PLACE).exists()
    (root / PLACE).symlink_to("/etc/hostname")
    monkeypatch.undo()
    assert warnings(root, caplog) == []
    assert not (root / PLACE).is_symlink()
