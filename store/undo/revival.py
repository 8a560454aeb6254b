"""Removed manifests, found and written again from their documents and records.

A removal deletes the rows of a manifest, of the manifests that only it lists and of its referrers.
All of them come back together, with their images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from store.catalog import content, foreign_layers, images, layers, manifests, naming, serving
from store.catalog.checking import verification
from store.catalog.collection import reachability, removed
from store.errors import InvalidInput
from store.formats.image.config import ImageConfig
from store.formats.image.manifests import Document
from store.model.contents import ContentState, DiffState
from store.model.digests import ImageID
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from store.catalog.collection.removed import Removed
    from store.db.types import ContentKey, RepositoryKey
    from store.model.digests import Digest
    from store.undo.documents import Documents

_LIMITS: Final = replace(DEFAULT_LIMITS, manifest_entries=DEFAULT_LIMITS.json_values)
"""A store may hold longer lists than an import accepts today."""


@final
class GoneError(Exception):
    """A removed manifest cannot come back.

    Attributes:
        digest: The content that is gone: the manifest itself, or content that it needs.
    """

    def __init__(self, digest: Digest) -> None:
        super().__init__(digest)
        self.digest = digest


@final
@dataclass(frozen=True, slots=True)
class Revived:
    """A removed manifest whose document and config could be read.

    Attributes:
        record: What is recorded of it.
        document: The manifest or index.
        config: The config of the image that it describes; None for none.
    """

    record: Removed
    document: Document
    config: ImageConfig | None

    @property
    def digests(self) -> set[Digest]:
        """The digests of all content that the manifest and its image need."""
        needed = {self.document.digest, *(link.digest for link in self.document.links)}
        if self.config is not None:
            needed.update(diff.digest for diff in self.config.diff_ids)
        return needed


@final
@dataclass(frozen=True, slots=True)
class Found:
    """What has to be written so that a manifest is in the store.

    Attributes:
        key: Row number of the manifest.
        revived: The removed manifests; empty if the manifest is in the store.
        there: Row numbers of the manifests below it that are in the store.
    """

    key: ContentKey
    revived: tuple[Revived, ...]
    there: tuple[ContentKey, ...]


# --- find -----------------------------------------------------------------------------------------


def find(connection: Connection, root: Digest, documents: Documents) -> Found:
    """Return what has to be written so that a manifest is in the store.

    Args:
        connection: An open transaction.
        root: The digest of the manifest.
        documents: Reads documents.

    Raises:
        GoneError: Content that the manifest needs is no longer stored.
    """
    rows = content.find(connection, (root,))
    if root not in rows:
        raise GoneError(root)
    found: dict[Digest, Revived] = {}
    there: list[ContentKey] = []
    front, seen = [root], {root}
    while front:
        digest = front.pop()
        key = manifests.key_of(connection, digest)
        if key is not None:
            there.append(key)
            continue
        one = _read(connection, digest, documents, is_root=digest == root)
        if one is None:
            continue
        found[digest] = one
        more = [link.digest for link in one.document.children]
        more += (
            referrer
            for referrer, at in removed.referring(connection, one.record.key).items()
            if at >= one.record.at
        )
        more += _parents(connection, one.record)
        front += (digest for digest in more if digest not in seen)
        seen.update(more)
    return Found(rows[root].key, tuple(found.values()), tuple(there))


def _read(
    connection: Connection, digest: Digest, documents: Documents, *, is_root: bool
) -> Revived | None:
    """Return a removed manifest; None for one that was absent before the removal too.

    Raises:
        GoneError: Content that the manifest needs is no longer stored.
    """
    row = content.find(connection, (digest,)).get(digest)
    record = None if row is None else removed.get(connection, (row.key,)).get(row.key)
    if row is None or record is None:
        if is_root:
            raise GoneError(digest)
        return None
    data = documents.read(connection, digest)
    if data is None:
        raise GoneError(digest)
    try:
        document = Document.parse(
            data, digest=digest, media_type=record.media_type, limits=_LIMITS, is_stored=True
        )
        config = None if record.image is None else _config(connection, record.image, documents)
    except InvalidInput as exc:
        raise GoneError(digest) from exc
    # Absent content of a manifest has a row as well, until a collection takes it.
    needed = [link.digest for link in document.links]
    known = content.find(connection, needed)
    for one in needed:
        if one not in known:
            raise GoneError(one)
    return Revived(record, document, config)


def _config(connection: Connection, digest: Digest, documents: Documents) -> ImageConfig:
    data = documents.read(connection, digest)
    if data is None:
        raise GoneError(digest)
    return ImageConfig.parse(data, digest=digest)


def _parents(connection: Connection, record: Removed) -> list[Digest]:
    """Return the manifests of a parent without a name, which the same removal has removed."""
    rows = content.find(connection, record.parent_manifests)
    records = removed.get(connection, [row.key for row in rows.values()])
    return [
        digest
        for digest in record.parent_manifests
        if digest in rows
        and rows[digest].key in records
        and records[rows[digest].key].kept_at is not None
        and records[rows[digest].key].at == record.at
        and manifests.key_of(connection, digest) is None
    ]


# --- write ----------------------------------------------------------------------------------------


def write(connection: Connection, revived: Sequence[Revived]) -> None:
    """Write manifests and their images into the catalogue again.

    Args:
        connection: An open write transaction.
        revived: What `find` has returned in the same transaction.
    """
    needed: set[Digest] = set()
    for one in revived:
        needed |= one.digests
        if one.document.subject is not None:
            needed.add(one.document.subject.digest)
    keys = content.ensure_all(connection, dict.fromkeys(needed), ContentState.ABSENT)
    described = [(one, one.config) for one in revived if one.config is not None]
    chains = [[(diff, keys[diff.digest]) for diff in config.diff_ids] for _, config in described]
    tops = layers.add_chains(connection, chains)
    fresh = images.add(
        connection,
        {
            keys[config.image_id.digest]: images.NewImage.of(
                config, top, verified=one.record.image_state == DiffState.VERIFIED
            )
            for (one, config), top in zip(described, tops, strict=True)
        },
    )
    manifests.add(
        connection,
        [
            manifests.NewManifest(
                one.record.key,
                one.document.kind.value,
                one.record.media_type,
                one.document.effective_artifact_type,
                None if one.config is None else keys[one.config.image_id.digest],
                None if one.document.subject is None else keys[one.document.subject.digest],
                [manifests.Edge(link, keys[link.digest]) for link in one.document.links],
                one.document.annotations,
                verified=one.record.state == DiffState.VERIFIED,
            )
            for one in revived
        ],
    )
    _add_facts(
        connection, [(one, keys[config.image_id.digest]) for one, config in described], fresh
    )
    for one in revived:
        if one.record.kept_at is not None:
            naming.keep(connection, one.record.key, now=one.record.kept_at)


def _add_facts(
    connection: Connection,
    described: Iterable[tuple[Revived, ContentKey]],
    fresh: set[ContentKey],
) -> None:
    """Write what is recorded of images, and what their documents do not tell."""
    states: dict[ContentKey, DiffState] = {}
    of_images: dict[ContentKey, DiffState] = {}
    parents: dict[ContentKey, ContentKey] = {}
    for one, image in described:
        record = one.record
        if record.state == DiffState.MISMATCH:
            states[record.key] = DiffState.MISMATCH
        if image not in fresh:
            continue
        if record.image_state == DiffState.MISMATCH:
            of_images[image] = DiffState.MISMATCH
        parent = (
            None if record.parent is None else images.key_of(connection, ImageID(record.parent))
        )
        if parent is not None:
            parents[image] = parent
        diffs = content.find(connection, [digest for digest, _ in record.sources])
        for digest, descriptor in record.sources:
            if digest in diffs:
                foreign_layers.put_foreign_source(
                    connection,
                    image,
                    diffs[digest].key,
                    descriptor.encode("utf-8", "surrogateescape"),
                )
    verification.set_manifest_states(connection, states)
    verification.set_diff_states(connection, of_images)
    images.set_parents(connection, parents)


def hold_again(
    connection: Connection, repository: str, repository_key: RepositoryKey, root: ContentKey
) -> list[ContentKey]:
    """Let a repository serve a manifest again, with what was let go together with it.

    Args:
        connection: An open write transaction.
        repository: The full name of the repository.
        repository_key: Row number of the repository.
        root: Row number of the manifest, which is in the store.

    Returns:
        Row numbers of the manifests that the repository did not serve just before.
    """
    every = sorted(reachability.below(connection, root))
    served = removed.served_by(connection, repository_key, every)
    if root in served:
        return []
    records = removed.get(connection, every)
    since = records[root].held.get(repository) if root in records else None
    again = [root]
    if since is not None:
        again += (
            key
            for key in every
            if key != root
            and key not in served
            and key in records
            and (one := records[key].held.get(repository)) is not None
            and one.at >= since.at
        )
    for key in again:
        serving.hold(connection, repository_key, key)
        one = records[key].held.get(repository) if key in records else None
        if one is not None and one.media_type is not None:
            serving.set_media_type(connection, (repository_key,), key, one.media_type)
    return again
