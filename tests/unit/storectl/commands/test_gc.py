"""`gc`: the report of the content that the command removes or would remove."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store import Store
from store.model.digests import Digest
from storectl import cli
from tests.support.fake_shell import (
    ONE,
    PRESENT,
    FakeStore,
    as_json,
    collection_report,
    faked_shell,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_dry_run_prints_what_would_be_removed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = FakeStore()
    shell = faked_shell(fake, capsys, monkeypatch, tmp_path)
    fake.answers["collect"] = collection_report(dead_operations=1)
    assert shell("gc").splitlines() == [
        f"Deleted: {ONE}",
        "Deleted: 1 image(s), 2 layer(s), 2 file(s)",
        "Cleaned up after 1 interrupted operation(s)",
        "Total reclaimed space: 1.235MB",
    ]
    fake.answers["collect"] = collection_report(dry_run=True)
    assert shell("gc", "--dry-run", "--dangling").splitlines() == [
        f"Would delete: {ONE}",
        "Would delete: 1 image(s), 2 layer(s), 2 file(s)",
        "Total reclaimable space: 1.235MB",
    ]
    assert [kwargs for _, _, kwargs in fake.asked] == [
        {"dry_run": False, "dangling": False, "end_grace": False},
        {"dry_run": True, "dangling": True, "end_grace": False},
    ]
    assert as_json(shell("gc", "--json")) == {
        "ImagesDeleted": [{"Deleted": str(ONE)}],
        "Manifests": 1,
        "Layers": 2,
        "Blobs": [str(PRESENT)],
        "SpaceReclaimed": 1_234_567,
        "OrphanFiles": 1,
        "DeadOperations": 0,
        "Uploads": 0,
        "Downloads": 0,
        "CacheTags": 0,
        "DryRun": True,
        "Kept": [],
    }
    shell("gc", "--now")
    assert fake.asked[-1][2] == {"dry_run": False, "dangling": False, "end_grace": True}


def test_the_quarantine_can_be_ended(root: Path) -> None:
    with Store.open(root, create=True) as store:
        digest = Digest.of(b"orphan")
        path = store.blobs.path(digest)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"orphan")
    assert cli.run(["--root", str(root), "gc"]) == 0
    assert list((root / "quarantine").iterdir())
    assert cli.run(["--root", str(root), "gc", "--quarantine", "0"]) == 0
    assert not list((root / "quarantine").iterdir())
    assert cli.run(["--root", str(root), "gc", "--quarantine", "30d"]) == 2
