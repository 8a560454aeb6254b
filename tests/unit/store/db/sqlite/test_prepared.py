from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import bindparam, literal, select

from store.catalog import repositories
from store.catalog.repositories import HeldBlob
from store.db.schema import content, repository
from store.db.sqlite.engine import DATABASE
from store.errors import IntegrityError
from store.model.digests import Digest
from store.registry.registry import Registry
from tests.support.registry_pushes import APP, OTHER, push_blob, push_image

if TYPE_CHECKING:
    from store import Store

BLOB = b"a blob that is held"


@pytest.fixture
def digest(store: Store) -> Digest:
    return push_blob(Registry(store), BLOB)


def test_look_ups_return_what_a_read_unit_returns(store: Store, digest: Digest) -> None:
    _, pushed = push_image(Registry(store))
    now = store.now()
    with store.read() as connection, store.look() as lookup:
        for name in (APP, OTHER):
            for one in (digest, pushed, Digest.of(b"nothing")):
                assert repositories.held_blob(lookup, name, one) == repositories.held_blob(
                    connection, name, one
                )
                assert repositories.by_digest(lookup, name, one) == repositories.by_digest(
                    connection, name, one
                )
                for since in (now - timedelta(days=1), now + timedelta(days=1)):
                    assert repositories.is_fresh(lookup, name, one, since) is repositories.is_fresh(
                        connection, name, one, since
                    )
            for tag in ("1", "none"):
                assert repositories.by_tag(lookup, name, tag) == repositories.by_tag(
                    connection, name, tag
                )
        assert repositories.held_blob(lookup, APP, digest) == HeldBlob(len(BLOB), in_file=True)
        assert repositories.by_digest(lookup, APP, pushed) is not None
        assert repositories.is_fresh(lookup, APP, digest, now - timedelta(days=1))


def test_constants_of_a_statement_keep_their_value(store: Store, digest: Digest) -> None:
    query = (
        select(content.c.digest, literal(7), content.c.state)
        .where(content.c.digest == bindparam("digest"), content.c.state == "present")
        .limit(1)
    )
    with store.look() as lookup:
        (row,) = [lookup.execute(query, {"digest": digest}).one_or_none()]
        assert tuple(row) == (digest, 7, "present")
        assert row.digest == digest
        with pytest.raises(KeyError):
            lookup.execute(query, {})


def test_a_second_row_is_an_error_where_one_is_expected(store: Store, digest: Digest) -> None:
    push_blob(Registry(store), b"another", OTHER)
    query = select(repository.c.name)
    with store.look() as lookup:
        found = lookup.execute(query, {})
        assert found.scalar() in {str(APP), str(OTHER)}
        with pytest.raises(ValueError, match="unpack"):
            found.scalar_one_or_none()
    assert digest


def test_each_look_up_sees_the_newest_state_and_keeps_no_snapshot(
    store: Store, digest: Digest
) -> None:
    with store.look() as lookup:
        assert repositories.held_blob(lookup, APP, digest) == HeldBlob(len(BLOB), in_file=True)
        later = push_blob(Registry(store), b"later")
        assert repositories.held_blob(lookup, APP, later) == HeldBlob(5, in_file=True)
        with sqlite3.connect(store.root / DATABASE) as other:
            # The whole log can be merged, because no connection reads an older state.
            assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
        other.close()


def test_errors_of_sqlite_are_translated(store: Store) -> None:
    with pytest.raises(IntegrityError, match="damaged"), store.look():
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorname = "SQLITE_CORRUPT"
        raise error
