"""What removed manifests were: the facts that their bytes do not tell, so that they can come back.

A removal deletes the rows of a manifest and its image at once; the next collection deletes the
content. Until then, the removal can be undone: links, labels and layers are read from the documents
again, and everything else is recorded here. A record goes with the content of its manifest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy import delete, select

from store.catalog.batches import batches, insert_rows
from store.db.schema import (
    content,
    foreign_source,
    image,
    kept,
    manifest,
    removed_manifest,
    repository,
    repository_content,
)
from store.db.types import TIME_FORMAT, ContentKey
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection, Row

    from store.db.types import RepositoryKey

_CONFIG: Final = content.alias("config")
_PARENT: Final = content.alias("parent_config")


@final
@dataclass(frozen=True, slots=True)
class Holding:
    """A repository that served a manifest.

    Attributes:
        at: When the repository stopped serving it, or last served it as far as is known.
        media_type: The media type under which the repository served it, if that is its own.
    """

    at: datetime
    media_type: str | None


@final
@dataclass(frozen=True, slots=True)
class Removed:
    """A manifest or index as it was when a name of it was last removed.

    Attributes:
        key: Row number of its content.
        at: The time of the removal.
        media_type: Its media type.
        image: The digest of the config of the image that it described; None for none.
        state: Whether its layers were those of the image; None for none.
        image_state: Whether the layers of the image were verified; None for none.
        parent: The digest of the config of the image's parent; None for none.
        parent_manifests: The digests of the manifests that described the parent.
        kept_at: Since when it was kept without a name; None if it was not.
        sources: Pairs (digest of a layer, descriptor with addresses) of the image's foreign layers.
        held: The repositories that served it, by full name.
    """

    key: ContentKey
    at: datetime
    media_type: str
    image: Digest | None
    state: str | None
    image_state: str | None
    parent: Digest | None
    parent_manifests: tuple[Digest, ...]
    kept_at: datetime | None
    sources: tuple[tuple[Digest, str], ...]
    held: Mapping[str, Holding] = field(default_factory=dict)


def note(connection: Connection, keys: Iterable[ContentKey], *, now: datetime) -> None:
    """Record what manifests are, before a removal changes that.

    Args:
        connection: An open write transaction.
        keys: Row numbers of manifests; others are left out.
        now: The time of the removal.
    """
    for some in batches(sorted(set(keys))):
        rows = connection.execute(_described().where(manifest.c.content_id.in_(some))).all()
        if not rows:
            continue
        held = _held(connection, some, now)
        earlier = get(connection, some)
        at = _kept(connection, some)
        images = [row.image_id for row in rows if row.image_id is not None]
        sources = _sources(connection, images)
        parents = _manifests_of(
            connection, [row.parent_id for row in rows if row.parent_id is not None]
        )
        again = [row.content_id for row in rows]
        connection.execute(delete(removed_manifest).where(removed_manifest.c.content_id.in_(again)))
        insert_rows(
            connection,
            removed_manifest,
            (
                {
                    "content_id": row.content_id,
                    "at": now,
                    "media_type": row.media_type,
                    "subject_id": row.subject_id,
                    "facts": _facts(
                        row,
                        kept_at=at.get(row.content_id),
                        sources=sources.get(row.image_id, []),
                        parents=parents.get(row.parent_id, []),
                        held={
                            **(
                                _holdings(earlier[row.content_id].held)
                                if row.content_id in earlier
                                else {}
                            ),
                            **held.get(row.content_id, {}),
                        },
                    ),
                }
                for row in rows
            ),
        )


def get(connection: Connection, keys: Iterable[ContentKey]) -> dict[ContentKey, Removed]:
    """Return the records of manifests, whether or not they are in the store again.

    Args:
        connection: An open transaction.
        keys: Row numbers of content; content without a record is left out.
    """
    found: dict[ContentKey, Removed] = {}
    for some in batches(sorted(set(keys))):
        query = select(removed_manifest).where(removed_manifest.c.content_id.in_(some))
        found.update((ContentKey(row.content_id), _read(row)) for row in connection.execute(query))
    return found


def referring(connection: Connection, subject: ContentKey) -> dict[Digest, datetime]:
    """Return the removed manifests that have a subject, and when they were removed."""
    query = (
        select(content.c.digest, removed_manifest.c.at)
        .join(removed_manifest, removed_manifest.c.content_id == content.c.id)
        .where(removed_manifest.c.subject_id == subject)
        .order_by(content.c.digest)
    )
    return {row.digest: row.at for row in connection.execute(query)}


def served_by(
    connection: Connection, repository_key: RepositoryKey, keys: Iterable[ContentKey]
) -> set[ContentKey]:
    """Return the manifests among ``keys`` that a repository may serve."""
    found: set[ContentKey] = set()
    for some in batches(sorted(set(keys))):
        query = select(repository_content.c.content_id).where(
            repository_content.c.repository_id == repository_key,
            repository_content.c.content_id.in_(some),
        )
        found.update(map(ContentKey, connection.execute(query).scalars()))
    return found


# --- parts ----------------------------------------------------------------------------------------


def _described() -> Any:  # noqa: ANN401 - a query for several tables
    return (
        select(
            manifest.c.content_id,
            manifest.c.media_type,
            manifest.c.subject_id,
            manifest.c.image_id,
            manifest.c.diff_state,
            image.c.diff_state.label("image_state"),
            image.c.parent_id,
            _CONFIG.c.digest.label("image"),
            _PARENT.c.digest.label("parent"),
        )
        .outerjoin(image, image.c.content_id == manifest.c.image_id)
        .outerjoin(_CONFIG, _CONFIG.c.id == manifest.c.image_id)
        .outerjoin(_PARENT, _PARENT.c.id == image.c.parent_id)
    )


def _held(
    connection: Connection, keys: Iterable[ContentKey], now: datetime
) -> dict[int, dict[str, list[str | None]]]:
    query = (
        select(repository_content.c.content_id, repository.c.name, repository_content.c.media_type)
        .join(repository, repository.c.id == repository_content.c.repository_id)
        .where(repository_content.c.content_id.in_(list(keys)))
    )
    found: dict[int, dict[str, list[str | None]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.content_id, {})[row.name] = [_text(now), row.media_type]
    return found


def _kept(connection: Connection, keys: Iterable[ContentKey]) -> dict[int, datetime]:
    query = select(kept.c.manifest_id, kept.c.at).where(kept.c.manifest_id.in_(list(keys)))
    return {row.manifest_id: row.at for row in connection.execute(query)}


def _sources(connection: Connection, images: list[int]) -> dict[int, list[list[str]]]:
    query = (
        select(foreign_source.c.image_id, content.c.digest, foreign_source.c.descriptor)
        .join(content, content.c.id == foreign_source.c.content_id)
        .where(foreign_source.c.image_id.in_(images))
        .order_by(content.c.digest, foreign_source.c.descriptor)
    )
    found: dict[int, list[list[str]]] = {}
    for row in connection.execute(query):
        descriptor = row.descriptor.decode("utf-8", "surrogateescape")
        found.setdefault(row.image_id, []).append([str(row.digest), descriptor])
    return found


def _manifests_of(connection: Connection, images: list[int]) -> dict[int, list[str]]:
    query = (
        select(manifest.c.image_id, content.c.digest)
        .join(content, content.c.id == manifest.c.content_id)
        .where(manifest.c.image_id.in_(images))
        .order_by(content.c.digest)
    )
    found: dict[int, list[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.image_id, []).append(str(row.digest))
    return found


def _facts(
    row: Any,  # noqa: ANN401 - a row has the columns of its query
    *,
    kept_at: datetime | None,
    sources: list[list[str]],
    parents: list[str],
    held: dict[str, list[str | None]],
) -> dict[str, Any]:
    facts = {
        "image": None if row.image is None else str(row.image),
        "state": row.diff_state,
        "imageState": row.image_state,
        "parent": None if row.parent is None else str(row.parent),
        "parentManifests": parents,
        "keptAt": None if kept_at is None else _text(kept_at),
        "sources": sources,
        "held": held,
    }
    return {key: value for key, value in facts.items() if value}


def _holdings(held: Mapping[str, Holding]) -> dict[str, list[str | None]]:
    return {name: [_text(one.at), one.media_type] for name, one in held.items()}


def _read(row: Row[Any]) -> Removed:
    facts: Mapping[str, Any] = row.facts
    return Removed(
        key=ContentKey(row.content_id),
        at=row.at,
        media_type=row.media_type,
        image=_digest(facts.get("image")),
        state=facts.get("state"),
        image_state=facts.get("imageState"),
        parent=_digest(facts.get("parent")),
        parent_manifests=tuple(map(Digest.parse, facts.get("parentManifests", ()))),
        kept_at=None if "keptAt" not in facts else _time(facts["keptAt"]),
        sources=tuple((Digest.parse(digest), text) for digest, text in facts.get("sources", ())),
        held={
            name: Holding(_time(at), media_type)
            for name, (at, media_type) in facts.get("held", {}).items()
        },
    )


def _digest(text: str | None) -> Digest | None:
    return None if text is None else Digest.parse(text)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime(TIME_FORMAT)


def _time(text: str) -> datetime:
    return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
