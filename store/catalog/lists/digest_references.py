"""Digest references: manifests that a repository holds by digest, without a tag.

A tag names the digest of its manifest as well, and an index those of its parts. Such digests are
left out here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy import bindparam, exists, literal, select

from store.catalog.images import image_of_index
from store.catalog.references import above_images, name_ranges
from store.db.schema import (
    content,
    manifest,
    manifest_edge,
    reference,
    repository,
    repository_content,
)
from store.db.types import ContentKey
from store.model.platforms import DEFAULT_CHOICE
from store.model.references import Reference, Repository

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import BindParameter, ColumnElement, Connection, Row, Select

    from store.db.types import RepositoryKey
    from store.model.platforms import PlatformChoice


@final
@dataclass(frozen=True, slots=True)
class DigestTarget:
    """A digest reference, and the manifest or index that it names.

    Attributes:
        reference: The repository and the digest.
        manifest: Row number of the manifest or index.
        image: Row number of the image that the reference stands for; None for an artifact, and for
            an index without an image.
    """

    reference: Reference
    manifest: ContentKey
    image: ContentKey | None


_ABOVE: Final = repository_content.alias("above")
_TAGGED: Final = exists(
    select(literal(1)).where(
        reference.c.manifest_id == repository_content.c.content_id,
        reference.c.repository_id == repository_content.c.repository_id,
    )
)
_LISTED: Final = exists(
    select(literal(1))
    .select_from(manifest_edge)
    .join(_ABOVE, _ABOVE.c.content_id == manifest_edge.c.manifest_id)
    .where(
        manifest_edge.c.content_id == repository_content.c.content_id,
        manifest_edge.c.role == "child",
        _ABOVE.c.repository_id == repository_content.c.repository_id,
    )
)


def of_image(connection: Connection, key: ContentKey) -> tuple[DigestTarget, ...]:
    """Return each digest reference to a manifest of an image, or to an index above one."""
    return _read(connection, repository_content.c.content_id.in_(above_images((key,))))


def of_images(
    connection: Connection,
    keys: Sequence[ContentKey],
    choice: PlatformChoice = DEFAULT_CHOICE,
) -> dict[ContentKey, list[DigestTarget]]:
    """Return the digest references to each image, by repository and digest.

    Args:
        connection: An open transaction.
        keys: Row numbers of at most `BATCH` images.
        choice: The image that stands for an index.
    """
    wanted = set(keys)
    found: dict[ContentKey, list[DigestTarget]] = {}
    rows = connection.execute(_of_images(), {"keys": keys}).all()
    for target in _targets_of(connection, rows, choice):
        if target.image in wanted:
            found.setdefault(target.image, []).append(target)
    return found


def of_manifest(connection: Connection, key: ContentKey) -> tuple[DigestTarget, ...]:
    """Return each digest reference to a manifest or index."""
    return _read(connection, repository_content.c.content_id == key)


def beginning_with(
    connection: Connection, prefix: str, choice: PlatformChoice = DEFAULT_CHOICE
) -> tuple[DigestTarget, ...]:
    """Return the digest references of repositories whose familiar name begins with a prefix.

    The query reads ranges of the index of names. The result may include references of a few other
    repositories.

    Args:
        connection: An open transaction.
        prefix: The first characters of the name as users write it; an empty string for all.
        choice: The image that stands for an index.
    """
    found = (_read(connection, within, choice) for within in name_ranges(prefix))
    return tuple({target.reference: target for some in found for target in some}.values())


def _read(
    connection: Connection,
    condition: ColumnElement[bool],
    choice: PlatformChoice = DEFAULT_CHOICE,
) -> tuple[DigestTarget, ...]:
    return _targets_of(connection, connection.execute(_untagged().where(condition)).all(), choice)


def _untagged() -> Select[Any]:
    # A referrer belongs to its subject.
    return (
        select(
            repository.c.name,
            content.c.digest,
            manifest.c.content_id,
            manifest.c.kind,
            manifest.c.image_id,
        )
        .join_from(repository_content, repository)
        .join(manifest, manifest.c.content_id == repository_content.c.content_id)
        .join(content, content.c.id == manifest.c.content_id)
        .where(manifest.c.subject_id.is_(None), ~_TAGGED, ~_LISTED)
        .order_by(repository.c.name, content.c.digest)
    )


@cache
def _of_images() -> Select[Any]:
    """Return the statement of `of_images`. Building it takes longer than running it."""
    keys: BindParameter[Any] = bindparam("keys", expanding=True)
    return _untagged().where(repository_content.c.content_id.in_(above_images(keys)))


def _targets_of(
    connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]], choice: PlatformChoice
) -> tuple[DigestTarget, ...]:
    images: dict[int, int | None] = {}
    for row in rows:
        if row.content_id not in images:
            images[row.content_id] = row.image_id
            if row.kind == "index":
                chosen = image_of_index(connection, ContentKey(row.content_id), choice)
                images[row.content_id] = None if chosen is None else chosen.image
    found: list[DigestTarget] = []
    for row in rows:
        domain, _, path = row.name.partition("/")
        image = images[row.content_id]
        found.append(
            DigestTarget(
                Reference(Repository(domain, path), None, row.digest),
                ContentKey(row.content_id),
                None if image is None else ContentKey(image),
            )
        )
    return tuple(found)


def nameless_parts(
    connection: Connection, repository_key: RepositoryKey, key: ContentKey
) -> list[ContentKey]:
    """Return what a repository holds only because it held ``key``.

    These are the parts and the referrers of ``key`` without a tag in the repository, and without
    another index there that lists them.

    Args:
        connection: An open transaction.
        repository_key: Row number of the repository, which no longer holds ``key``.
        key: Row number of a manifest or index.
    """
    listed = select(manifest_edge.c.content_id).where(
        manifest_edge.c.manifest_id == key, manifest_edge.c.role == "child"
    )
    referring = select(manifest.c.content_id).where(manifest.c.subject_id == key)
    rows = connection.execute(
        select(repository_content.c.content_id).where(
            repository_content.c.repository_id == repository_key,
            repository_content.c.content_id.in_(listed.union_all(referring)),
            ~_TAGGED,
            ~_LISTED,
        )
    )
    return [ContentKey(found) for found in rows.scalars()]


def listing(
    connection: Connection, repository_key: RepositoryKey, key: ContentKey
) -> tuple[ContentKey, ...]:
    """Return the indexes of a repository that list a manifest, by row number."""
    rows = connection.execute(
        select(manifest_edge.c.manifest_id)
        .join(repository_content, repository_content.c.content_id == manifest_edge.c.manifest_id)
        .where(
            manifest_edge.c.content_id == key,
            manifest_edge.c.role == "child",
            repository_content.c.repository_id == repository_key,
        )
        .distinct()
        .order_by(manifest_edge.c.manifest_id)
    )
    return tuple(ContentKey(found) for found in rows.scalars())
