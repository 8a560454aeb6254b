"""Changes to the lists of manifests and blobs that each repository may serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as insert_or_update

from store.catalog.batches import PAIRS, batches, insert_rows
from store.db.schema import (
    content,
    kept,
    manifest,
    manifest_edge,
    reference,
    repository,
    repository_content,
)
from store.db.types import ContentKey, RepositoryKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

    from store.model.digests import Digest
    from store.model.references import Repository


def serve(
    connection: Connection,
    held: Iterable[tuple[RepositoryKey, ContentKey]],
    *,
    sources: Collection[RepositoryKey] | None = None,
) -> bool:
    """Let repositories serve manifests, and the content below them.

    Args:
        connection: An open write transaction.
        held: Pairs (row number of a repository, row number of a manifest).
        sources: The repositories that give the content: what none of them may serve is left out,
            with everything below it. None for all stored content.

    Returns:
        Whether a repository now begins to serve something.
    """
    has_begun = False
    for some in batches(sorted(held), PAIRS):
        by_repository: dict[RepositoryKey, list[ContentKey]] = {}
        for repository_key, key in some:
            by_repository.setdefault(repository_key, []).append(key)
        # Select exactly these pairs: a repository may hold an index without serving everything that
        # it lists. A condition for each repository replaces a list of pairs, because SQLite uses no
        # index for such a list.
        these = or_(
            *(
                and_(
                    repository_content.c.repository_id == mine,
                    repository_content.c.content_id.in_(keys),
                )
                for mine, keys in by_repository.items()
            )
        )
        start = select(repository_content.c.repository_id, repository_content.c.content_id).where(
            these
        )
        there = {(row.repository_id, row.content_id) for row in connection.execute(start)}
        types = _media_types(connection, [key for _, key in some], sources or ())
        rows = [
            {"repository_id": repository_key, "content_id": key, "media_type": types.get(key)}
            for repository_key, key in some
            if (repository_key, key) not in there
        ]
        if rows:
            connection.execute(insert(repository_content), rows)
        down = start.cte("down", recursive=True)
        below = select(down.c.repository_id, manifest_edge.c.content_id).join(
            down, down.c.content_id == manifest_edge.c.manifest_id
        )
        if sources is not None:
            # A manifest can list any digest. A client could otherwise have content of other
            # repositories served by pushing a manifest that lists it.
            given = repository_content.alias("given")
            below = below.where(
                exists(
                    select(literal(1)).where(
                        given.c.content_id == manifest_edge.c.content_id,
                        given.c.repository_id.in_(sorted(sources)),
                    )
                )
            )
        down = down.union(below)
        held_already = exists(
            select(literal(1)).where(
                repository_content.c.repository_id == down.c.repository_id,
                repository_content.c.content_id == down.c.content_id,
            )
        )
        stated = (
            null()
            if sources is None
            else _stated_in(sources, down.c.content_id).correlate(down).scalar_subquery()
        )
        missing = select(down.c.repository_id, down.c.content_id, stated).where(~held_already)
        inserted = connection.execute(
            insert(repository_content).from_select(
                ["repository_id", "content_id", "media_type"], missing
            )
        )
        has_begun = has_begun or bool(rows) or inserted.rowcount > 0
    return has_begun


def _stated_in(
    repositories: Collection[RepositoryKey], key: ColumnElement[int]
) -> Select[tuple[str | None]]:
    """Return a query for the media type under which one of the repositories serves a manifest."""
    given = repository_content.alias("stated")
    return select(func.min(given.c.media_type)).where(
        given.c.content_id == key, given.c.repository_id.in_(sorted(repositories))
    )


def _media_types(
    connection: Connection, keys: Iterable[ContentKey], sources: Collection[RepositoryKey]
) -> dict[ContentKey, str]:
    """Return the media types under which ``sources`` serve manifests that do not state one."""
    found: dict[ContentKey, str] = {}
    for some in batches(list(dict.fromkeys(keys)) if sources else []):
        query = select(repository_content.c.content_id, repository_content.c.media_type).where(
            repository_content.c.content_id.in_(some),
            repository_content.c.repository_id.in_(sorted(sources)),
            repository_content.c.media_type.is_not(None),
        )
        for row in connection.execute(query):
            key = ContentKey(row.content_id)
            found[key] = min(row.media_type, found.get(key, row.media_type))
    return found


def serve_with_subject(connection: Connection, referrer: ContentKey) -> bool:
    """Let every repository that serves the subject of a manifest serve the manifest too.

    Returns:
        Whether any repository now begins to serve the manifest.
    """
    subject = select(manifest.c.subject_id).where(manifest.c.content_id == referrer)
    mine = select(repository_content.c.repository_id).where(
        repository_content.c.content_id == referrer
    )
    wanted = select(repository_content.c.repository_id).where(
        repository_content.c.content_id == subject.scalar_subquery(),
        repository_content.c.repository_id.not_in(mine),
    )
    found = connection.execute(wanted).scalars().all()
    serve(connection, [(RepositoryKey(key), referrer) for key in found])
    return bool(found)


def ensure_repositories(
    connection: Connection, names: Iterable[Repository]
) -> dict[Repository, RepositoryKey]:
    """Return the row numbers of repositories; insert missing repositories."""
    wanted = {str(name): name for name in sorted(names)}
    known = _repository_keys(connection, wanted)
    fresh = [{"name": name} for name in wanted if name not in known]
    if fresh:
        insert_rows(connection, repository, fresh)
        known |= _repository_keys(connection, [row["name"] for row in fresh])
    return {name: known[text] for text, name in wanted.items()}


def _repository_keys(connection: Connection, names: Iterable[str]) -> dict[str, RepositoryKey]:
    known: dict[str, RepositoryKey] = {}
    for some in batches(list(names)):
        rows = connection.execute(
            select(repository.c.name, repository.c.id).where(repository.c.name.in_(some))
        )
        known.update((row.name, RepositoryKey(row.id)) for row in rows)
    return known


def hold(
    connection: Connection,
    repository_key: RepositoryKey,
    key: ContentKey,
    *,
    fresh_at: datetime | None = None,
) -> None:
    """Let a repository serve a manifest or blob.

    Args:
        connection: An open write transaction.
        repository_key: Row number of the repository.
        key: Row number of the manifest or blob.
        fresh_at: New start of the grace period of a blob that no manifest lists yet; None leaves a
            recorded start as it is.
    """
    mine = and_(
        repository_content.c.repository_id == repository_key, repository_content.c.content_id == key
    )
    if not connection.execute(select(exists().where(mine))).scalar():
        connection.execute(
            insert(repository_content).values(
                repository_id=repository_key, content_id=key, fresh_at=fresh_at
            )
        )
    elif fresh_at is not None:
        connection.execute(update(repository_content).where(mine).values(fresh_at=fresh_at))


def note_blobs(connection: Connection, name: Repository, now: datetime) -> bool:
    """Record that a client sends, mounts or looks for blobs of a repository.

    Args:
        connection: An open write transaction.
        name: The full name of the repository; nothing happens if it does not exist.
        now: The current time.

    Returns:
        Whether the repository exists.
    """
    return bool(connection.execute(_NOTE_BLOBS, {"repository": str(name), "now": now}).rowcount)


_NOTE_BLOBS: Final = (
    update(repository)
    .where(repository.c.name == bindparam("repository"))
    .values(blobs_at=bindparam("now"))
)


def hold_pushed(
    connection: Connection, repository_key: RepositoryKey, keys: Iterable[ContentKey]
) -> None:
    """Let a repository serve a pushed manifest, and end the grace periods of what it lists.

    Args:
        connection: An open write transaction.
        repository_key: Row number of the repository.
        keys: Row numbers of the manifest, unless the repository serves it already, and of the
            blobs that have a grace period.
    """
    if rows := [{"repository_id": repository_key, "content_id": key} for key in keys]:
        connection.execute(_HOLD_PUSHED, rows)


_HOLD_PUSHED: Final = insert_or_update(repository_content).on_conflict_do_update(
    index_elements=[repository_content.c.repository_id, repository_content.c.content_id],
    set_={"fresh_at": None},
)


def note_manifest(connection: Connection, name: Repository, now: datetime) -> RepositoryKey:
    """Record that a client has pushed a manifest to a repository, which is made if it is missing.

    Args:
        connection: An open write transaction.
        name: The full name of the repository.
        now: The current time.

    Returns:
        The row number of the repository.
    """
    values = {"repository": str(name), "now": now}
    key = connection.execute(_NOTE_MANIFEST, values).scalar()
    if key is None:
        key = connection.execute(_ADD_REPOSITORY, values).scalar_one()
    return RepositoryKey(key)


_NOTE_MANIFEST: Final = (
    update(repository)
    .where(repository.c.name == bindparam("repository"))
    .values(manifest_at=bindparam("now"))
    .returning(repository.c.id)
)
_ADD_REPOSITORY: Final = (
    insert(repository)
    .values(name=bindparam("repository"), manifest_at=bindparam("now"))
    .returning(repository.c.id)
)


def set_media_type(
    connection: Connection,
    repository_keys: Collection[RepositoryKey],
    key: ContentKey,
    media_type: str,
) -> None:
    """Record the media type under which repositories serve a manifest that does not state one.

    Args:
        connection: An open write transaction.
        repository_keys: Row numbers of repositories that serve the manifest.
        key: Row number of the manifest.
        media_type: The media type that the client or the archive states.
    """
    common = select(manifest.c.media_type).where(manifest.c.content_id == key).scalar_subquery()
    connection.execute(
        update(repository_content)
        .where(
            repository_content.c.content_id == key,
            repository_content.c.repository_id.in_(sorted(repository_keys)),
        )
        .values(media_type=func.nullif(media_type, common))
    )


def let_go(connection: Connection, repository_key: RepositoryKey, key: ContentKey) -> bool:
    """Stop serving a manifest or blob in a repository; return whether it was served."""
    mine = and_(
        repository_content.c.repository_id == repository_key, repository_content.c.content_id == key
    )
    return bool(connection.execute(delete(repository_content).where(mine)).rowcount)


def let_go_digest(connection: Connection, repository_key: RepositoryKey, digest: Digest) -> bool:
    """Stop serving a digest in a repository; return whether it was served."""
    key = select(content.c.id).where(content.c.digest == digest).scalar_subquery()
    mine = and_(
        repository_content.c.repository_id == repository_key, repository_content.c.content_id == key
    )
    return bool(connection.execute(delete(repository_content).where(mine)).rowcount)


def drop_unheld(connection: Connection, key: ContentKey) -> None:
    """Stop keeping a manifest if no tag names it and no repository serves it."""
    named = exists(select(literal(1)).where(reference.c.manifest_id == key))
    served = exists(select(literal(1)).where(repository_content.c.content_id == key))
    connection.execute(delete(kept).where(kept.c.manifest_id == key, not_(or_(named, served))))
