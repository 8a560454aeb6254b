"""Changes to names: set, move and remove tags; keep manifests without a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from sqlalchemy import bindparam, delete, exists, insert, select, update
from sqlalchemy.dialects.sqlite import insert as insert_or_leave

from store.catalog import events, references, serving
from store.catalog.batches import batches, insert_rows
from store.db.schema import (
    content,
    kept,
    reference,
    reference_log,
    repository,
    repository_content,
)
from store.db.types import ContentKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from store.catalog.references import TagTarget
    from store.db.types import RepositoryKey
    from store.model.digests import Digest
    from store.model.references import Reference, Repository


@final
@dataclass(frozen=True, slots=True)
class Known:
    """What the caller of `set_tags` has looked up already.

    Attributes:
        repositories: Row numbers of all repositories of the tags.
        digests: The digests of manifests, by row number.
        are_new: Whether the manifests were added in this transaction, so that none has a tag yet.
    """

    repositories: Mapping[Repository, RepositoryKey]
    digests: Mapping[ContentKey, Digest]
    are_new: bool


def set_tags(
    connection: Connection,
    targets: Mapping[Reference, ContentKey],
    *,
    now: datetime,
    operation: str,
    served: bool = False,
    sources: Collection[RepositoryKey] | None = None,
    known: Known | None = None,
) -> None:
    """Point tags at manifests, and record each change.

    A manifest that loses its last tag is kept without a name.

    Args:
        connection: An open write transaction.
        targets: The manifest of each ``repository:tag``.
        now: The current time.
        operation: The ID or name of the operation, for the log of references.
        served: Whether the caller has recorded what the repositories serve. If not, this
            function records that each repository serves its manifest and the content below.
        sources: The repositories that give the content below the manifests; None for all stored
            content (see `serving.serve`).
        known: What the caller has looked up already; None for nothing.
    """
    added = set() if known is None else _added(connection, targets, known, now)
    before = references.get_all(connection, targets.keys() - added)
    moved = {
        name: key
        for name, key in targets.items()
        if name not in before or before[name].manifest != key
    }
    if not moved:
        return
    repositories = (
        serving.ensure_repositories(connection, {name.repository for name in moved})
        if known is None
        else known.repositories
    )
    fresh = (
        {
            "repository_id": repositories[name.repository],
            "tag": name.tag,
            "manifest_id": key,
            "tagged_at": now,
        }
        for name, key in moved.items()
        if name not in before and name not in added
    )
    insert_rows(connection, reference, fresh)
    old = [
        {"repository_key": repositories[name.repository], "old_tag": name.tag, "new": key}
        for name, key in moved.items()
        if name in before
    ]
    if old:
        place = (
            reference.c.repository_id == bindparam("repository_key"),
            reference.c.tag == bindparam("old_tag"),
        )
        connection.execute(
            update(reference).where(*place).values(manifest_id=bindparam("new"), tagged_at=now), old
        )
    for name in moved:
        if name in before:
            keep(connection, before[name].manifest, now=now)
    for some in batches([] if known is not None and known.are_new else list(set(moved.values()))):
        connection.execute(delete(kept).where(kept.c.manifest_id.in_(some)))
    if not served:
        serving.serve(
            connection,
            {(repositories[name.repository], key) for name, key in moved.items()},
            sources=sources,
        )
    _log(
        connection,
        {
            name: (before[name].manifest if name in before else None, key)
            for name, key in moved.items()
        },
        now=now,
        operation=operation,
        known=None if known is None else known.digests,
    )


def _added(
    connection: Connection,
    targets: Mapping[Reference, ContentKey],
    known: Known,
    now: datetime,
) -> set[Reference]:
    """Add the tags that do not exist, with one statement; return them."""
    names = {(known.repositories[name.repository], name.tag): name for name in targets}
    rows = [
        {
            "repository_id": repository_key,
            "tag": tag,
            "manifest_id": targets[name],
            "tagged_at": now,
        }
        for (repository_key, tag), name in names.items()
    ]
    return {names[row.repository_id, row.tag] for row in connection.execute(_ADD, rows)}


_ADD: Final = (
    insert_or_leave(reference)
    .on_conflict_do_nothing(index_elements=[reference.c.repository_id, reference.c.tag])
    .returning(reference.c.repository_id, reference.c.tag)
)


def remove_tag(connection: Connection, target: TagTarget, *, now: datetime, operation: str) -> None:
    """Remove a tag; its manifest is left as it is (see `keep`).

    Args:
        connection: An open write transaction.
        target: The tag to remove, with its manifest.
        now: The current time.
        operation: The ID or name of the operation, for the log of references.
    """
    connection.execute(
        delete(reference).where(
            reference.c.tag == target.reference.tag,
            reference.c.repository_id
            == select(repository.c.id)
            .where(repository.c.name == str(target.reference.repository))
            .scalar_subquery(),
        )
    )
    _log(connection, {target.reference: (target.manifest, None)}, now=now, operation=operation)


def keep(connection: Connection, manifest_key: ContentKey, *, now: datetime) -> bool:
    """Keep a manifest without a name; return whether that changed anything.

    A manifest that has a tag, or is kept already, is left as it is.

    Args:
        connection: An open write transaction.
        manifest_key: Row number of the manifest.
        now: The current time.
    """
    if connection.execute(select(exists().where(reference.c.manifest_id == manifest_key))).scalar():
        return False
    if connection.execute(select(exists().where(kept.c.manifest_id == manifest_key))).scalar():
        return False
    connection.execute(insert(kept).values(manifest_id=manifest_key, at=now))
    return True


def drop(connection: Connection, manifests: Iterable[ContentKey]) -> None:
    """Stop keeping and serving manifests, so that the next collection deletes them.

    A manifest that has a tag is left as it is.
    """
    for key in manifests:
        if not connection.execute(select(exists().where(reference.c.manifest_id == key))).scalar():
            connection.execute(delete(kept).where(kept.c.manifest_id == key))
            connection.execute(
                delete(repository_content).where(repository_content.c.content_id == key)
            )


def _log(
    connection: Connection,
    changes: Mapping[Reference, tuple[ContentKey | None, ContentKey | None]],
    *,
    now: datetime,
    operation: str,
    known: Mapping[ContentKey, Digest] | None = None,
) -> None:
    keys = {key for change in changes.values() for key in change if key is not None}
    digests: dict[ContentKey, Digest] = dict(known or {})
    for some in batches(list(keys - digests.keys())):
        digests.update(
            (ContentKey(row.id), row.digest)
            for row in connection.execute(
                select(content.c.id, content.c.digest).where(content.c.id.in_(some))
            )
        )
    actor = events.actor_facts(connection) or None
    rows = (
        {
            "at": now,
            "repository": str(name.repository),
            "tag": name.tag,
            "old": None if old is None else digests[old],
            "new": None if new is None else digests[new],
            "operation": operation,
            "actor": actor,
        }
        for name, (old, new) in changes.items()
    )
    insert_rows(connection, reference_log, rows)
