"""References: find the manifest that a tag or ``repository@digest`` names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy import and_, bindparam, exists, func, select

from store.catalog.batches import PAIRS, batches
from store.catalog.images import image_of_index
from store.db.schema import (
    content,
    event,
    manifest,
    manifest_edge,
    reference,
    reference_log,
    repository,
    repository_content,
)
from store.db.types import ContentKey
from store.model.digests import ImageID
from store.model.platforms import DEFAULT_CHOICE
from store.model.references import DEFAULT_DOMAIN, OFFICIAL, Reference, Repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import BindParameter, ColumnElement, Connection, Select

    from store.model.digests import Digest
    from store.model.platforms import PlatformChoice

_LAST: Final = "\x7f"
"""A character that sorts after every character that a name can contain."""


@final
@dataclass(frozen=True, slots=True)
class TagTarget:
    """A tag, and the manifest or index that it points at.

    Attributes:
        reference: Full name of the tag.
        manifest: Row number of the manifest or index.
        digest: Digest of the manifest or index.
        image: Row number of the image that the tag stands for (see `PlatformChoice`); None for an
            artifact, and for an index without an image.
        image_id: The ID of the image that the tag stands for.
    """

    reference: Reference
    manifest: ContentKey
    digest: Digest
    image: ContentKey | None
    image_id: ImageID | None


def _targets() -> Select[Any]:
    config = content.alias("config")
    return (
        select(
            repository.c.name,
            reference.c.tag,
            reference.c.manifest_id,
            content.c.digest,
            manifest.c.kind,
            manifest.c.image_id,
            config.c.digest.label("config_digest"),
        )
        .join_from(reference, repository, repository.c.id == reference.c.repository_id)
        .join(manifest, manifest.c.content_id == reference.c.manifest_id)
        .join(content, content.c.id == reference.c.manifest_id)
        .outerjoin(config, config.c.id == manifest.c.image_id)
        .order_by(repository.c.name, reference.c.tag)
    )


def _read(
    connection: Connection,
    query: Select[Any],
    choice: PlatformChoice = DEFAULT_CHOICE,
    *,
    values: Mapping[str, object] | None = None,
) -> tuple[TagTarget, ...]:
    found: list[TagTarget] = []
    # Many tags may point at one index, and an index may have many children.
    children: dict[int, tuple[int | None, Digest | None]] = {}
    rows = connection.execute(query, values).all()
    for name, tag, manifest_id, digest, kind, image, config in rows:
        key, image_id = image, config
        if kind != "manifest":
            if manifest_id not in children:
                children[manifest_id] = _image_of_index(connection, manifest_id, choice)
            key, image_id = children[manifest_id]
        found.append(
            TagTarget(
                Reference(_repository(name), tag),
                ContentKey(manifest_id),
                digest,
                None if key is None else ContentKey(key),
                None if image_id is None else ImageID(image_id),
            )
        )
    return tuple(found)


@lru_cache(maxsize=256)
def _repository(name: str) -> Repository:
    domain, _, path = name.partition("/")
    return Repository(domain, path)


def _image_of_index(
    connection: Connection, index: int, choice: PlatformChoice
) -> tuple[int | None, Digest | None]:
    """Return the row number and the ID of the image that an index stands for."""
    found = image_of_index(connection, ContentKey(index), choice)
    return (None, None) if found is None else (found.image, found.image_id.digest)


def get(connection: Connection, name: Reference) -> TagTarget | None:
    """Return the target of ``repository:tag``; None if the tag does not exist."""
    found = _read(
        connection,
        _targets().where(repository.c.name == str(name.repository), reference.c.tag == name.tag),
    )
    return found[0] if found else None


def in_repository(
    connection: Connection, name: Repository, *, limit: int | None = None
) -> tuple[TagTarget, ...]:
    """Return the tags of a repository, in byte order of the tag.

    Args:
        connection: An open transaction.
        name: The repository.
        limit: The most tags to return; None for all.
    """
    return _read(connection, _targets().where(repository.c.name == str(name)).limit(limit))


def tagged(
    connection: Connection, names: Sequence[Repository], tags: Sequence[str]
) -> Iterator[tuple[TagTarget, ...]]:
    """Yield the targets of those of ``tags`` that the repositories have, in batches.

    Args:
        connection: An open transaction.
        names: The repositories.
        tags: The tags to look for in each of the repositories.
    """
    # SQLite looks up every pair of a repository and a tag in the index.
    for some in batches([str(name) for name in names], PAIRS):
        for of_some in batches(tags, PAIRS):
            yield _read(
                connection,
                _targets().where(repository.c.name.in_(some), reference.c.tag.in_(of_some)),
            )


def of_image(connection: Connection, key: ContentKey) -> tuple[TagTarget, ...]:
    """Return every tag that points at a manifest of an image, or at an index above such a manifest.

    The tags are in byte order of the full reference.
    """
    found = _read(connection, _targets().where(reference.c.manifest_id.in_(above_images((key,)))))
    return tuple(sorted(found, key=lambda target: str(target.reference).encode()))


def above_images(keys: Sequence[ContentKey] | BindParameter[Any]) -> Select[tuple[int]]:
    """Return a query for the manifests of images, and the indexes above them at any depth.

    Args:
        keys: Row numbers of images, or a parameter for them.
    """
    up = (
        select(manifest.c.content_id.label("id"))
        .where(manifest.c.image_id.in_(keys))
        .cte("up", recursive=True)
    )
    above = select(manifest_edge.c.manifest_id).join(up, up.c.id == manifest_edge.c.content_id)
    return select(up.union(above.where(manifest_edge.c.role == "child")).c.id)


def of_manifest(connection: Connection, key: ContentKey) -> tuple[TagTarget, ...]:
    """Return every tag that points at a manifest or index, in byte order of the full reference."""
    found = _read(connection, _targets().where(reference.c.manifest_id == key))
    return tuple(sorted(found, key=lambda target: str(target.reference).encode()))


def images_of_indexes(connection: Connection) -> set[ContentKey]:
    """Return the images that tagged indexes list, and the indexes that these list."""
    below = select(manifest_edge.c.content_id.label("id")).where(manifest_edge.c.role == "child")
    listed = below.join(reference, reference.c.manifest_id == manifest_edge.c.manifest_id).cte(
        "listed", recursive=True
    )
    listed = listed.union(below.join(listed, listed.c.id == manifest_edge.c.manifest_id))
    found = (
        select(manifest.c.image_id)
        .join(listed, listed.c.id == manifest.c.content_id)
        .where(manifest.c.image_id.is_not(None))
        .distinct()
    )
    return {ContentKey(key) for key in connection.execute(found).scalars()}


def beginning_with(
    connection: Connection,
    prefix: str,
    limit: int | None = None,
    choice: PlatformChoice = DEFAULT_CHOICE,
) -> tuple[TagTarget, ...]:
    """Return the tags of repositories whose familiar name begins with a prefix.

    The query reads ranges of the index of names. The result may include tags of a few other
    repositories.

    Args:
        connection: An open transaction.
        prefix: The first characters of the name as users write it; an empty string for all.
        limit: The most tags of each range; None for all.
        choice: The image that stands for an index.
    """
    found: list[TagTarget] = []
    for one in name_ranges(prefix):
        query = _targets().where(one)
        found += _read(connection, query if limit is None else query.limit(limit), choice)
    return tuple({target.reference: target for target in found}.values())


def name_ranges(prefix: str) -> list[ColumnElement[bool]]:
    """Return conditions for ranges of repositories whose familiar name may begin with a prefix.

    Args:
        prefix: The first characters of the name as users write it; an empty string for all.
    """
    starts = (
        [f"{DEFAULT_DOMAIN}/{prefix}", f"{DEFAULT_DOMAIN}/{OFFICIAL}/{prefix}", prefix]
        if prefix
        else [""]
    )
    return [and_(repository.c.name >= start, repository.c.name < start + _LAST) for start in starts]


def with_tag_beginning(
    connection: Connection, name: str, prefix: str, limit: int
) -> tuple[TagTarget, ...]:
    """Return the tags of one repository that begin with a prefix.

    Args:
        connection: An open transaction.
        name: The familiar or full name of a repository.
        prefix: The first characters of the tag; an empty string for all.
        limit: The most tags to return.
    """
    names = (f"{DEFAULT_DOMAIN}/{name}", f"{DEFAULT_DOMAIN}/{OFFICIAL}/{name}", name)
    query = _targets().where(
        repository.c.name.in_(names), reference.c.tag >= prefix, reference.c.tag < prefix + _LAST
    )
    return tuple(_read(connection, query.limit(limit)))


def version(connection: Connection) -> tuple[int, int, int]:
    """Return a value that changes whenever a tag moves, or a manifest is added or deleted.

    Every deletion of a manifest is recorded as an event.
    """
    tags = select(func.max(reference_log.c.id)).scalar_subquery()
    manifests = select(func.max(manifest.c.content_id)).scalar_subquery()
    events = select(func.max(event.c.id)).scalar_subquery()
    row = connection.execute(
        select(tags.label("tags"), manifests.label("manifests"), events.label("events"))
    ).one()
    return row.tags or 0, row.manifests or 0, row.events or 0


def holds(connection: Connection, name: Repository, digest: Digest) -> ContentKey | None:
    """Return the row number of a manifest; None if the repository may not serve it."""
    found = connection.execute(
        select(manifest.c.content_id)
        .join(content, content.c.id == manifest.c.content_id)
        .join(repository_content, repository_content.c.content_id == manifest.c.content_id)
        .join(repository, repository.c.id == repository_content.c.repository_id)
        .where(repository.c.name == str(name), content.c.digest == digest)
    ).scalar()
    return None if found is None else ContentKey(found)


def image_of(
    connection: Connection, manifest_key: ContentKey, choice: PlatformChoice = DEFAULT_CHOICE
) -> ContentKey | None:
    """Return the image of a manifest; for an index, the image that ``choice`` chooses."""
    row = connection.execute(
        select(manifest.c.kind, manifest.c.image_id).where(manifest.c.content_id == manifest_key)
    ).one()
    found = (
        row.image_id
        if row.kind == "manifest"
        else _image_of_index(connection, manifest_key, choice)[0]
    )
    return None if found is None else ContentKey(found)


def get_all(connection: Connection, names: Iterable[Reference]) -> dict[Reference, TagTarget]:
    """Return the target of each tag; tags that do not exist are left out."""
    wanted = set(names)
    found: dict[Reference, TagTarget] = {}
    # SQLite uses no index for a list of pairs, but it uses one for each half of the pairs. In this
    # order most batches have a single tag or repository, so that the halves match few other pairs.
    for some in batches(sorted(wanted, key=lambda name: (name.tag or "", name.repository)), PAIRS):
        halves = {
            "repositories": sorted({str(name.repository) for name in some}),
            "tags": sorted({name.tag for name in some if name.tag is not None}),
        }
        found.update(
            (target.reference, target)
            for target in _read(connection, _by_halves(), values=halves)
            if target.reference in wanted
        )
    return found


@cache
def _by_halves() -> Select[tuple[object, ...]]:
    """Return the statement of `get_all`. Building it takes longer than running it."""
    return _targets().where(
        repository.c.name.in_(bindparam("repositories", expanding=True)),
        reference.c.tag.in_(bindparam("tags", expanding=True)),
    )


def is_manifest(connection: Connection, digest: Digest) -> bool:
    """Return whether a manifest or index has this digest."""
    return bool(
        connection.execute(
            select(
                exists().where(content.c.digest == digest, manifest.c.content_id == content.c.id)
            )
        ).scalar()
    )


def of_images(
    connection: Connection,
    keys: Sequence[ContentKey],
    choice: PlatformChoice = DEFAULT_CHOICE,
) -> dict[ContentKey, list[TagTarget]]:
    """Return the tags of each tagged image, sorted by repository and tag.

    Args:
        connection: An open transaction.
        keys: Row numbers of at most `BATCH` images.
        choice: The image that stands for an index.
    """
    wanted = set(keys)
    found: dict[ContentKey, list[TagTarget]] = {}
    for target in _read(connection, _of_images(), choice, values={"keys": keys}):
        if target.image in wanted:
            found.setdefault(target.image, []).append(target)
    return found


@cache
def _of_images() -> Select[Any]:
    """Return the statement of `of_images`. Building it takes longer than running it."""
    keys: BindParameter[Any] = bindparam("keys", expanding=True)
    return _targets().where(reference.c.manifest_id.in_(above_images(keys)))


def last_tagged(connection: Connection, key: ContentKey) -> datetime | None:
    """Return when a tag was last pointed at a manifest of the image; None if it has no tag."""
    mine = select(manifest.c.content_id).where(manifest.c.image_id == key)
    return connection.execute(
        select(reference.c.tagged_at)
        .where(reference.c.manifest_id.in_(mine))
        .order_by(reference.c.tagged_at.desc())
        .limit(1)
    ).scalar()
