from __future__ import annotations

from typing import TYPE_CHECKING

from store.maintenance.reports import Severity
from store.model.digests import Digest
from store.model.remedies import Remedy
from tests.support.checked_stores import check

if TYPE_CHECKING:
    from store import Store


def test_a_file_without_a_row_is_a_warning_with_a_remedy(store: Store) -> None:
    digest = Digest.of(b"orphan")
    path = store.blobs.path(digest)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"orphan")
    (verdict,) = check(store)
    assert (verdict.finding.kind, verdict.damaged) == ("orphan", None)
    assert verdict.finding.severity is Severity.WARNING
    assert verdict.finding.remedy is Remedy.COLLECT_GARBAGE
