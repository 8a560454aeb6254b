"""The rule for blobs that clients may be about to list in a manifest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store.catalog import serving
from store.catalog.collection import garbage, grace
from store.catalog.collection.grace import FRESH_S, QUIET_S, Grace
from store.catalog.in_progress import leases, uploads
from store.model.references import Repository
from tests.support.catalog_rows import NOW, named

if TYPE_CHECKING:
    from datetime import datetime

    from store.db.types import ContentKey
    from tests.support.catalog_rows import Rows

APP = Repository("docker.io", "team/app")
SECOND = timedelta(seconds=1)
QUIET = timedelta(seconds=QUIET_S)


def hold(rows: Rows, key: ContentKey, fresh_at: datetime | None) -> None:
    repository = serving.ensure_repositories(rows.connection, (APP,))[APP]
    serving.hold(rows.connection, repository, key, fresh_at=fresh_at)


def is_free(rows: Rows, key: ContentKey, rule: Grace) -> bool:
    return key in garbage.dead_contents(rows.connection, rule)


def test_a_fresh_blob_stays_for_a_day(rows: Rows) -> None:
    key = rows.blob("blob")
    hold(rows, key, NOW)
    day = timedelta(seconds=FRESH_S)
    assert not is_free(rows, key, Grace(NOW + day))
    assert is_free(rows, key, Grace(NOW + day + SECOND))
    assert is_free(rows, key, Grace.none(NOW))


def test_an_ended_grace_protects_blobs_of_repositories_with_a_recent_push(rows: Rows) -> None:
    key = rows.blob("blob")
    hold(rows, key, NOW)
    assert is_free(rows, key, Grace(NOW, is_ended=True))
    serving.note_blobs(rows.connection, APP, NOW)
    assert not is_free(rows, key, Grace(NOW + QUIET, is_ended=True))
    assert is_free(rows, key, Grace(NOW + QUIET + SECOND, is_ended=True))
    # The client has pushed the manifest of one platform, and may push another one.
    serving.note_manifest(rows.connection, APP, NOW + QUIET)
    assert not is_free(rows, key, Grace(NOW + QUIET + SECOND, is_ended=True))


def test_a_settled_blob_is_free_unless_a_push_is_in_progress(rows: Rows) -> None:
    key, other = rows.blob("blob"), rows.blob("other")
    for one in (key, other):
        hold(rows, one, NOW)
    serving.note_blobs(rows.connection, APP, NOW)
    repository = serving.ensure_repositories(rows.connection, (APP,))[APP]
    serving.hold_pushed(rows.connection, repository, [key])
    assert not is_free(rows, key, Grace(NOW))
    serving.note_manifest(rows.connection, APP, NOW + SECOND)
    assert is_free(rows, key, Grace(NOW + SECOND))
    assert not is_free(rows, other, Grace(NOW + SECOND))
    # Another client begins a push, and may rely on the blob.
    serving.note_blobs(rows.connection, APP, NOW + 2 * SECOND)
    for rule in (Grace(NOW + QUIET), Grace(NOW + QUIET, is_ended=True)):
        assert not is_free(rows, key, rule)
    assert is_free(rows, key, Grace(NOW + QUIET + 3 * SECOND))


def test_an_upload_in_progress_is_a_push_in_progress(rows: Rows) -> None:
    key = rows.blob("blob")
    hold(rows, key, None)
    assert is_free(rows, key, Grace(NOW))
    uploads.add(rows.connection, "0" * 32, str(APP), NOW)
    assert not is_free(rows, key, Grace(NOW + QUIET))
    assert is_free(rows, key, Grace(NOW + QUIET + SECOND))


@pytest.mark.parametrize(
    ("rule", "fresh_at", "active_at", "end"),
    [
        (Grace(NOW), NOW, None, NOW + timedelta(seconds=FRESH_S)),
        (Grace(NOW), NOW - timedelta(seconds=FRESH_S), NOW, NOW + QUIET),
        (Grace(NOW), None, NOW - SECOND, NOW - SECOND + QUIET),
        (Grace(NOW, is_ended=True), NOW, NOW - SECOND, NOW - SECOND + QUIET),
    ],
)
def test_the_end_of_the_protection_is_known(
    rule: Grace, fresh_at: datetime | None, active_at: datetime | None, end: datetime
) -> None:
    assert rule.end(fresh_at, active_at) == end


def test_a_file_is_protected_by_the_repositories_of_what_it_encodes(rows: Rows) -> None:
    stored, diff = rows.blob("stored"), rows.content("diff")
    rows.encoding(diff, stored)
    hold(rows, diff, NOW)
    found = grace.protections(rows.connection, [diff])
    assert found[named("stored")] == [grace.Protection(str(APP), NOW, None)]


def test_running_operations_and_grace_periods_are_found(rows: Rows) -> None:
    assert not grace.has_fresh(rows.connection, Grace(NOW))
    assert not grace.has_operations(rows.connection)
    hold(rows, rows.blob("blob"), NOW)
    leases.add_operation(rows.connection, "one", "save", NOW, 1)
    assert grace.has_fresh(rows.connection, Grace(NOW))
    assert grace.has_operations(rows.connection)
    assert grace.forget_operations(rows.connection, ["two"]) == 0
    assert grace.forget_operations(rows.connection) == 1
