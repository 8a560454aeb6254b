from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog.checking import raw_rows
from store.db.sqlite.engine import DATABASE
from store.errors import IntegrityError
from store.maintenance.fsck.verdicts import Check, Checked, parsed
from store.maintenance.reports import Severity
from store.model.digests import Digest
from store.model.progress import Silent
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    import pytest
    from sqlalchemy import Connection

    from store import ImageID, Store

ONE = Digest.of(b"one")


def test_a_verdict_names_the_digest_the_table_and_the_images(
    store: Store, image_id: ImageID
) -> None:
    verdict = Check(store, Silent()).error("odd", image_id.digest, "is odd", table="image")
    assert verdict.finding.digest == image_id.digest
    assert verdict.finding.table == "image"
    assert verdict.finding.images == ("docker.io/library/x:1",)
    assert verdict.finding.hint
    assert verdict.damaged is None


def test_damage_is_to_be_marked_and_a_warning_is_not(store: Store) -> None:
    check = Check(store, Silent())
    assert check.damage("odd", ONE, "is odd").damaged == ONE
    warning = check.warning("odd", ONE, "is odd")
    assert (warning.damaged, warning.finding.severity) == (None, Severity.WARNING)
    assert warning.finding.hint is None


def test_nothing_is_to_be_imported_for_bytes_that_cannot_be_read(store: Store) -> None:
    verdict = Check(store, Silent()).unreadable(ONE, "cannot be read: no")
    assert (verdict.finding.kind, verdict.damaged) == ("unreadable", None)
    assert "check again" in (verdict.finding.hint or "")


def test_a_row_without_a_digest_is_named_by_its_text(store: Store) -> None:
    verdict = Check(store, Silent()).row("wrong-name", "x:1", "is not a name", "reference")
    assert (verdict.finding.subject, verdict.finding.digest) == ("x:1", None)
    assert verdict.finding.images == ("x:1",)
    verdict = Check(store, Silent()).row("odd", str(ONE), "is odd", "content")
    assert verdict.finding.digest == ONE


def test_counts_are_sums_by_kind() -> None:
    checked = Checked()
    checked.add("Blobs", 2, 10)
    checked.add("Blobs", 1, 5)
    checked.add("Links")
    assert (checked.counts, checked.sizes) == ({"Blobs": 3, "Links": 1}, {"Blobs": 15, "Links": 0})


def test_a_walk_goes_on_behind_rows_that_cannot_be_read(store: Store) -> None:
    image_id = put_image(store, A, tags=("x:1",))
    put_image(store, B, tags=("x:2",))
    check = Check(store, Silent())
    whole = [row.id for rows in check.walk("document", raw_rows.documents) for row in rows]
    assert len(whole) == 4
    bad = whole[1]

    def read(connection: Connection, some: raw_rows.Range) -> list[int]:
        if some.first <= bad <= some.last:
            raise IntegrityError("malformed")
        return [row.id for row in raw_rows.documents(connection, some)]

    found = [key for keys in check.walk("document", read) for key in keys]
    assert found == [key for key in whole if key != bad]
    (verdict,) = check.malformed()
    assert (verdict.finding.kind, verdict.finding.subject) == ("damaged-catalogue", DATABASE)
    assert list(check.malformed()) == []
    assert image_id


def test_a_walk_gives_up_a_table_that_cannot_be_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise IntegrityError("malformed")

    monkeypatch.setattr(raw_rows, "next_range", fail)
    check = Check(store, Silent())
    assert list(check.walk("content", lambda *_: 1)) == []
    assert len(list(check.malformed())) == 1


def test_only_digests_are_parsed() -> None:
    assert parsed(str(ONE)) == ONE
    assert [parsed(value) for value in (None, 7, b"x", "sha256:zz")] == [None] * 4
