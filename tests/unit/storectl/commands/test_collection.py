"""The lines and the JSON that report a garbage collection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from storectl.commands._collection import show
from tests.support.fake_shell import ONE, PRESENT, collection_report

if TYPE_CHECKING:
    import pytest


def test_files_are_blobs_and_orphans(capsys: pytest.CaptureFixture[str]) -> None:
    show(collection_report(orphan_files=4), as_json=False)
    assert "Deleted: 1 image(s), 2 layer(s), 5 file(s)\n" in capsys.readouterr().out


def test_a_dry_run_speaks_of_what_would_be_removed(capsys: pytest.CaptureFixture[str]) -> None:
    show(collection_report(dry_run=True), as_json=False)
    out = capsys.readouterr().out
    assert out.startswith(f"Would delete: {ONE}\n")
    assert out.endswith("Total reclaimable space: 1.235MB\n")


def test_interrupted_operations_are_mentioned_only_if_there_were_any(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(collection_report(dead_operations=2), as_json=False)
    assert "Cleaned up after 2 interrupted operation(s)" in capsys.readouterr().out
    show(collection_report(), as_json=False)
    assert "Cleaned up" not in capsys.readouterr().out


def test_json_has_every_number(capsys: pytest.CaptureFixture[str]) -> None:
    show(collection_report(dead_operations=2), as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "ImagesDeleted": [{"Deleted": str(ONE)}],
        "Manifests": 1,
        "Layers": 2,
        "Blobs": [str(PRESENT)],
        "SpaceReclaimed": 1_234_567,
        "OrphanFiles": 1,
        "DeadOperations": 2,
        "DryRun": False,
    }
