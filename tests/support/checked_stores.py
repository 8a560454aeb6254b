"""A check of a store in a test: what it finds, and how rows are made wrong before."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from store.db.sqlite.engine import DATABASE
from store.maintenance.fsck.run import verdicts
from store.model.digests import Digest
from store.model.progress import Silent

if TYPE_CHECKING:
    from store import Store
    from store.maintenance.fsck.verdicts import Verdict


def check(store: Store) -> list[Verdict]:
    """Return the verdicts of a check of bytes, rows and files; nothing is recorded."""
    return list(verdicts(store, Silent()))


def kinds(store: Store) -> list[str]:
    """Return the kinds of the findings of a check."""
    return [verdict.finding.kind for verdict in check(store)]


def facts(store: Store) -> list[tuple[str, str | None]]:
    """Return the kind and the table of each finding of a check."""
    return [(verdict.finding.kind, verdict.finding.table) for verdict in check(store)]


def tampered(store: Store, *statements: str) -> None:
    """Change rows as damage would: no constraint prevents it."""
    with closing(sqlite3.connect(store.root / DATABASE, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("PRAGMA ignore_check_constraints=ON")
        for statement in statements:
            connection.execute(statement)


def layer_file(store: Store) -> Digest:
    """Return the digest of the blob that stores a layer."""
    (first, *_) = sorted(map(store.blobs.digest, store.blobs.locations()), key=str)
    return first


def encodings_of(store: Store) -> list[tuple[Digest, Digest]]:
    """Return every encoding as (digest of the decoded bytes, digest of the stored blob)."""
    # A connection of its own: a test may record the statements of the store.
    with closing(sqlite3.connect(store.root / DATABASE)) as connection:
        rows = connection.execute(
            "SELECT one.digest, other.digest FROM encoding JOIN content AS one ON one.id ="
            " content_id JOIN content AS other ON other.id = stored_id"
        ).fetchall()
    return [(Digest.parse(one), Digest.parse(other)) for one, other in rows]
