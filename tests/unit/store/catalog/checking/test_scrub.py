from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from store.catalog.checking import scrub
from store.db.types import ContentKey
from tests.conftest import NOW
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store

LATER = NOW + timedelta(days=1)


def test_a_page_continues_after_the_last_content(store: Store) -> None:
    put_image(store, A, B, tags=("x:1",))
    with store.read() as connection:
        every = scrub.due(connection, before=LATER, after=None, limit=9)
        pages = [scrub.due(connection, before=LATER, after=None, limit=1)]
        while pages[-1]:
            pages.append(scrub.due(connection, before=LATER, after=pages[-1][-1], limit=1))
        assert scrub.due(connection, before=NOW, after=None, limit=9) == every[:2]
        assert scrub.amount(connection, before=LATER) == (4, sum(one.size_bytes for one in every))
        assert scrub.amount(connection, before=scrub.NEVER) == (0, 0)
    assert [one for page in pages for one in page] == every
    # Documents were never checked.
    assert [one.checked_at for one in every] == [scrub.NEVER] * 2 + [NOW] * 2
    assert [one.in_file for one in every] == [False] * 2 + [True] * 2


def test_checks_are_recorded_once_for_each_content_that_is_still_there(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    with store.read() as connection:
        keys = [one.key for one in scrub.due(connection, before=LATER, after=None, limit=9)]
    for at in (NOW, LATER):
        with store.write() as connection:
            scrub.record(connection, [*keys, ContentKey(999)], at)
            assert scrub.checked(connection) == scrub.CheckedContent(3, 0, at)
    with store.read() as connection:
        assert scrub.due(connection, before=LATER, after=None, limit=9) == []


def test_the_newest_passes_are_kept(store: Store) -> None:
    with store.write() as connection:
        assert scrub.last_full_pass(connection) is None
        for number in range(scrub.KEPT_PASSES + 5):
            started = NOW + timedelta(minutes=number)
            latest = scrub.begin_pass(
                connection, now=started, before=started + timedelta(microseconds=1)
            )
        # A pass over a part is not one over everything.
        scrub.begin_pass(connection, now=LATER, before=NOW)
        kept = connection.exec_driver_sql("SELECT count(*) FROM scrub").scalar()
        assert kept == scrub.KEPT_PASSES
        scrub.note_pass(connection, latest, contents=3, size_bytes=4, errors=5, finished_at=LATER)
        found = scrub.last_full_pass(connection)
    assert found is not None
    assert (found.number, found.contents, found.size_bytes, found.errors, found.finished_at) == (
        *(latest, 3, 4, 5),
        LATER,
    )
