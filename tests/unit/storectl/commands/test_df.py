"""`df`: Docker's table of disk usage, and the bytes that images share."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from store import Reference
from store.catalog.checking.scrub import CheckedContent
from store.maintenance.reports import Kept, KeptReason
from store.queries.usage import ImageUsage, Usage, UsageRow
from tests.support.fake_shell import NOW, ONE, TWO, FakeStore, Shell, as_json

USAGE = Usage(
    rows=(
        UsageRow("Images", 2, 1, 6144, 2048),
        UsageRow("Layers", 2, 1, 4096, 2048),
        UsageRow("Blobs", 0, 0, 0, 0),
    ),
    images=(
        ImageUsage(
            ONE,
            (Reference.parse("x:1"), Reference.parse("y:1")),
            4096,
            2048,
            2048,
            NOW - timedelta(days=3),
        ),
        ImageUsage(TWO, (), 2048, 2048, 0, None),
    ),
    on_disk_bytes=123_456,
    database_bytes=100_000,
    checked=CheckedContent(12, 1, NOW - timedelta(days=3)),
    collectable_bytes=1000,
    prunable_bytes=3000,
    kept=(
        Kept(KeptReason.UNTAGGED, 2, 2000, 1),
        Kept(KeptReason.OPERATION, 1, 10),
    ),
)


def test_the_table_is_followed_by_disk_usage_and_shared_bytes(
    shell: Shell, fake: FakeStore
) -> None:
    fake.answers["usage"] = USAGE
    expected = [
        "TYPE      TOTAL     ACTIVE    SIZE      RECLAIMABLE",
        "Images    2         1         6.144kB   2.048kB (33%)",
        "Layers    2         1         4.096kB   2.048kB (50%)",
        "Blobs     0         0         0B        0B",
        "",
        "on disk: 123.5kB, including 100kB for the database",
        "saved by sharing layers between images: 2.048kB (uncompressed)",
        "reclaimable: 1kB with `storectl gc`, 3kB with `storectl prune`",
        "checked: 12 content(s), 1 damaged; the oldest check: 3 days ago",
        "Kept: 1 file(s), 10B, in use by a running operation",
    ]
    assert shell("df").splitlines() == expected
    assert shell("df", "-v").splitlines() == [
        *expected,
        "",
        "IMAGE ID       NAMES      CREATED      SIZE      SHARED SIZE   UNIQUE SIZE",
        f"{ONE.digest.short}   x:1, y:1   3 days ago   4.1kB     2.05kB        2.05kB",
        f"{TWO.digest.short}   <none>     N/A          2.05kB    2.05kB        0B",
    ]


def test_json_has_numbers_in_bytes(shell: Shell, fake: FakeStore) -> None:
    fake.answers["usage"] = USAGE
    shown = as_json(shell("df", "--json"))
    assert shown["Rows"][0] == {
        "Type": "Images",
        "TotalCount": 2,
        "Active": 1,
        "Size": 6144,
        "Reclaimable": 2048,
    }
    assert (shown["Collectable"], shown["Prunable"]) == (1000, 3000)
    assert [one["Reason"] for one in shown["Kept"]] == ["untagged", "operation"]
    assert shown["Images"][0]["RepoTags"] == ["x:1", "y:1"]
    assert (shown["Shared"], shown["OnDisk"], shown["Database"]) == (2048, 123_456, 100_000)


def test_format_prints_dockers_fields_and_nothing_else(shell: Shell, fake: FakeStore) -> None:
    fake.answers["usage"] = USAGE
    assert as_json(shell("df", "--format", "json").splitlines()[0]) == {
        "Type": "Images",
        "TotalCount": "2",
        "Active": "1",
        "Size": "6.144kB",
        "Reclaimable": "2.048kB (33%)",
    }
    assert shell("df", "--format", "{{.Type}}={{.Reclaimable}}").splitlines()[2] == "Blobs=0B"
    shell("df", "-v", "--format", "json", code=2)


def test_the_reserve_is_shown(shell: Shell, fake: FakeStore) -> None:
    fake.answers["usage"] = replace(USAGE, reserve_bytes=1_048_576)
    assert "including 100kB for the database and 1.049MB in reserve for a full disk" in shell("df")
    assert as_json(shell("df", "--json"))["Reserve"] == 1_048_576
