"""The push of a manifest: parse it, then store it with its image and tags in one write unit.

The write unit looks up again everything that the manifest points to.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, final

from store.catalog import (
    encodings,
    events,
    images,
    layers,
    manifests,
    naming,
    serving,
    variants,
)
from store.catalog.checking import verification
from store.catalog.documents import write_documents
from store.catalog.in_progress import pushes
from store.errors import (
    ContentNotFound,
    DamagedContent,
    DigestMismatch,
    MissingBlobs,
    TooLarge,
)
from store.formats.image.described_image import NotAnImage, described_image, parse_config
from store.formats.image.graph_walk import levels
from store.formats.image.label_budget import require_few_annotations, require_few_labels
from store.formats.image.manifests import Document, Role
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS, MIB
from store.model.references import Reference, Repository
from store.workspace.soundness import lost, sound_files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore
    from store.catalog.in_progress.pushes import KnownContent
    from store.db.types import ContentKey
    from store.formats.image.config import ImageConfig
    from store.formats.image.described_image import ParsedConfig
    from store.formats.image.manifests import Link
    from store.model.digests import DiffID, ImageID
    from store.model.limits import Limits

MAX_MANIFEST_BYTES: Final = 4 * MIB
"""Largest manifest that can be pushed, in bytes: the least that the specification allows."""


class Sparse(StrEnum):
    """The targets of a pushed manifest that its repository need not hold.

    Targets whose descriptors have URLs may always be missing.
    """

    NOTHING = "nothing"
    """Every target must exist."""

    INDEXES = "indexes"
    """The manifests of an index may be missing, such as platforms that a client does not copy."""

    BLOBS = "blobs"
    """Manifests and blobs may be missing. A client gets no error for a missing blob."""


@final
@dataclass(frozen=True, slots=True)
class Pushed:
    """The result of a push.

    Attributes:
        digest: The manifest's digest.
        subject: The digest of the manifest's subject; None if there is no subject.
        tags: The tags that name the manifest now.
        image_id: The image that the manifest describes, if the image's layers still have to be
            verified; otherwise None.
    """

    digest: Digest
    subject: Digest | None
    tags: tuple[str, ...]
    image_id: ImageID | None


# --- before the unit ------------------------------------------------------------------------------


def parse_manifest(
    data: bytes, *, media_type: str, digest: Digest | None, limits: Limits
) -> Document:
    """Return the manifest or index that a client has sent.

    Args:
        data: The exact bytes.
        media_type: The media type that the client states; may be empty.
        digest: The digest that the client states; None if it states none.
        limits: The limits of documents.

    Raises:
        TooLarge: The manifest is larger than `MAX_MANIFEST_BYTES`, or exceeds a ceiling of
            ``limits``.
        DigestMismatch: The digest that the client states is wrong.
        InvalidDocument: The bytes are not a manifest or index, or their type was withdrawn.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise TooLarge(
            f"the manifest has {len(data)} bytes, and the limit is {MAX_MANIFEST_BYTES}",
            limit=MAX_MANIFEST_BYTES,
        )
    actual = Digest.of(data, "sha256" if digest is None else digest.algorithm)
    if digest is not None and actual != digest:
        raise DigestMismatch("digest of the manifest", want=digest, got=actual)
    document = Document.parse(data, digest=actual, media_type=media_type, limits=limits)
    require_few_annotations(document, limits)
    return document


def image_config(
    document: Document, limits: Limits, read: Callable[[Digest], bytes]
) -> ImageConfig | None:
    """Return the config of the image that a manifest describes, or None if it describes none.

    Args:
        document: A manifest or index.
        limits: The limits of documents.
        read: Returns the bytes of a blob that the repository holds.

    Raises:
        TooLarge: The config has too many labels.
    """

    def read_config(link: Link) -> ParsedConfig:
        try:
            return parse_config(read(link.digest), limits, link.digest)
        except (ContentNotFound, DamagedContent) as exc:
            return NotAnImage(exc.message)

    config = described_image(document, limits.inline_bytes, read_config)
    if isinstance(config, NotAnImage):
        return None
    require_few_labels(config, limits)
    return config


# --- the unit -------------------------------------------------------------------------------------


def push_manifest(  # noqa: PLR0913 - the parts of a push
    connection: Connection,
    repository: Repository,
    document: Document,
    config: ImageConfig | None,
    *,
    tags: Sequence[str],
    sparse: Sparse,
    blobs: BlobStore,
    now: datetime,
    operation: str,
    limits: Limits = DEFAULT_LIMITS,
) -> Pushed:
    """Write a manifest, its image and its tags.

    Args:
        connection: A write unit.
        repository: The repository that receives the manifest.
        document: The manifest or index.
        config: The config of the image that it describes; None if it describes no image.
        tags: The tags that name it from now on.
        sparse: The targets that may be missing.
        blobs: The blob store that holds the targets.
        now: The time of the push.
        operation: The name of the push in the log of references.
        limits: Ceilings for the graph below an index.

    Raises:
        MissingBlobs: The repository does not hold a target that must exist.
        DigestMismatch: A descriptor states a wrong size.
        TooLarge: The indexes below the manifest are nested too deep, or lead to too many manifests.
    """
    subject = document.subject
    documents = {document.digest: document.data}
    named = {link.digest for link in document.links}
    if subject is not None:
        named.add(subject.digest)
    if config is not None:
        documents[config.image_id.digest] = config.data
        named.update(diff.digest for diff in config.diff_ids)
    known = pushes.known_content(connection, repository, named, documents)
    held = _held_links(connection, document, known, sparse, blobs)
    # Indexes of other repositories do not count: the answer would tell what is in them.
    _require_bounded(
        connection,
        repository,
        [held[link.digest].key for link in document.children if link.digest in held],
        limits,
    )
    # Insert all rows with few statements: an index may list tens of thousands of manifests, and
    # every other writer waits. The size that a descriptor states of absent content is only a claim.
    # It stays in the manifest.
    keys = write_documents(
        connection, documents, {digest: one.row for digest, one in known.items()}, named
    )
    key, before = keys[document.digest], known.get(document.digest)
    image, is_verified = (None, True)
    if config is not None:
        image = keys[config.image_id.digest]
        is_verified = _add_image(connection, document, config, known, keys)
    manifests.add(
        connection,
        [
            manifests.NewManifest(
                key,
                document.kind.value,
                document.neutral_media_type,
                document.effective_artifact_type,
                image,
                None if subject is None else keys[subject.digest],
                [manifests.Edge(link, keys[link.digest]) for link in document.links],
                document.annotations,
                verified=is_verified,
            )
        ],
        are_new=before is None,
    )
    if operation == variants.OFFER:
        repository_key = serving.ensure_repositories(connection, (repository,))[repository]
    else:
        repository_key = serving.note_manifest(connection, repository, now)
    fresh = {known[link.digest].key for link in document.links if _is_fresh(known, link.digest)}
    if before is None or not before.is_listed:
        fresh.add(key)
    serving.hold_pushed(connection, repository_key, sorted(fresh))
    if not document.states_media_type:
        serving.set_media_type(connection, (repository_key,), key, document.media_type)
    names = [Reference(repository, tag) for tag in tags]
    if names:
        naming.set_tags(
            connection,
            dict.fromkeys(names, key),
            now=now,
            operation=operation,
            served=True,
            known=naming.Known(
                {repository: repository_key}, {key: document.digest}, are_new=before is None
            ),
        )
    target = str(document.digest if config is None else config.image_id)
    name = names[0] if names else Reference(repository, None, document.digest)
    events.add_events(connection, [events.Event(now, "push", target, {"name": name.familiar})])
    return Pushed(
        document.digest,
        None if subject is None else subject.digest,
        tuple(tags),
        None if config is None or is_verified else config.image_id,
    )


def _held_links(
    connection: Connection,
    document: Document,
    known: Mapping[Digest, KnownContent],
    sparse: Sparse,
    blobs: BlobStore,
) -> dict[Digest, KnownContent]:
    """Return the targets of a manifest that the repository holds.

    Raises:
        MissingBlobs: The repository does not hold a target that must exist.
        DigestMismatch: A descriptor states a wrong size.
    """
    links = document.links
    held = {
        link.digest: known[link.digest]
        for link in links
        if link.digest in known and known[link.digest].is_held
    }
    sure = sound_files(blobs, held.values(), is_untouched=False)
    doubtful = [digest for digest, one in held.items() if digest not in sure and not one.is_inline]
    if doubtful:
        gone = lost(connection, blobs, doubtful)
        held = {digest: one for digest, one in held.items() if digest not in gone}
    missing = [
        link for link in links if link.digest not in held and not may_be_missing(link, sparse)
    ]
    if missing:
        raise MissingBlobs(
            [
                (str(document.digest), f"{link.role} {link.position}", link.digest)
                for link in missing
            ]
        )
    for link in links:
        one = held.get(link.digest)
        if one is not None and one.size_bytes != link.target.size_bytes:
            raise DigestMismatch(
                f"size of {link.role} {link.position}, {link.digest}",
                want=link.target.size_bytes,
                got=one.size_bytes,
            )
    return held


def _is_fresh(known: Mapping[Digest, KnownContent], digest: Digest) -> bool:
    return digest in known and known[digest].is_fresh


def _require_bounded(
    connection: Connection,
    repository: Repository,
    children: Sequence[ContentKey],
    limits: Limits,
) -> None:
    """Check how deep a pushed index is nested, and how many manifests are below it.

    Only manifests that the repository holds are counted.

    Raises:
        TooLarge: The indexes are nested too deep, or lead to too many manifests.
    """

    def below(level: Collection[ContentKey | None]) -> Iterable[ContentKey]:
        # The pushed index has no row yet.
        if None in level:
            return children
        return manifests.listed_by(
            connection, repository, (key for key in level if key is not None)
        )

    if children:
        for _ in levels((None,), below, limits):
            pass


def may_be_missing(link: Link, sparse: Sparse) -> bool:
    """Return whether the repository of a manifest need not hold the target of a link.

    Args:
        link: A link of the manifest.
        sparse: The targets that may be missing.
    """
    if link.urls or sparse is Sparse.BLOBS:
        return True
    return link.role is Role.CHILD and sparse is Sparse.INDEXES


def _add_image(
    connection: Connection,
    document: Document,
    config: ImageConfig,
    known: Mapping[Digest, KnownContent],
    keys: Mapping[Digest, ContentKey],
) -> bool:
    """Write the image of a manifest.

    Returns:
        Whether the manifest's own layers are known to be the diffs of the image.
    """
    verified = _are_diffs(
        connection, [link.digest for link in document.layers], config.diff_ids, known
    )
    top = layers.add_chains(connection, [[(diff, keys[diff.digest]) for diff in config.diff_ids]])[
        0
    ]
    key = keys[config.image_id.digest]
    added = images.add(connection, {key: images.NewImage.of(config, top, verified=verified)})
    if verified and not added:
        verification.mark_verified(connection, (key,))
    return verified


def _are_diffs(
    connection: Connection,
    blobs: Sequence[Digest],
    diffs: Sequence[DiffID],
    known: Mapping[Digest, KnownContent],
) -> bool:
    """Return whether every layer is present, and known to decode to its diff ID."""
    pairs = [(blob, diff.digest) for blob, diff in zip(blobs, diffs, strict=True)]
    if not all(blob in known and known[blob].is_present for blob, _ in pairs):
        return False
    plain = [blob for blob, diff in pairs if blob == diff]
    squeezed = [blob for blob, diff in pairs if blob != diff]
    if not all(known[blob].is_encoding for blob in squeezed):
        return False
    decoded = encodings.encoded(connection, squeezed)
    return all(pair in decoded for pair in pairs if pair[0] != pair[1]) and len(
        verification.checked_layers(connection, plain)
    ) == len(set(plain))
