from __future__ import annotations

from typing import TYPE_CHECKING

from store.errors import SchemaMismatch
from store.maintenance.fsck.database import catalogue_findings, unopened
from store.maintenance.reports import Severity
from tests.support.checked_stores import tampered

if TYPE_CHECKING:
    from store import ImageID, Store


def test_a_sound_catalogue_has_no_findings(store: Store, image_id: ImageID) -> None:
    assert image_id
    assert list(catalogue_findings(store.root)) == []


def test_a_finding_names_the_kind_the_table_and_the_next_step(
    store: Store, image_id: ImageID
) -> None:
    assert image_id
    tampered(store, "UPDATE reference SET tagged_at = '2O26'")
    (finding,) = catalogue_findings(store.root)
    assert (finding.severity, finding.kind) == (Severity.ERROR, "senseless-row")
    assert (finding.subject, finding.table) == ("store.db", "reference")
    assert finding.hint == "restore store.db from a backup"


def test_a_store_that_cannot_be_opened_is_a_finding_with_the_reason() -> None:
    finding = unopened(SchemaMismatch("revision 0008", hint="wait"))
    assert (finding.kind, finding.hint) == ("damaged-catalogue", "wait")
    assert "revision 0008" in finding.message
