"""`gc`: the report of the content that the command removes or would remove."""

from __future__ import annotations

from tests.support.fake_shell import ONE, PRESENT, FakeStore, Shell, as_json, collection_report


def test_a_dry_run_prints_what_would_be_removed(shell: Shell, fake: FakeStore) -> None:
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
        "DryRun": True,
        "Kept": [],
    }
    shell("gc", "--now")
    assert fake.asked[-1][2] == {"dry_run": False, "dangling": False, "end_grace": True}
