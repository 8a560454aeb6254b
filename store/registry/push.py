"""The write unit of a manifest's push: all it points at is looked for once more, then it is there with its image and its tags, or nothing has changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, final

from store.catalog import content, encodings, images, layers, manifests, naming, serving
from store.catalog import events as records
from store.catalog import repositories as catalog
from store.catalog.checking import verification
from store.catalog.events import Event
from store.errors import DigestMismatch, MissingBlobs
from store.formats.image.manifests import Document, Role
from store.model.contents import ContentState
from store.model.references import Reference, Repository
from store.registry import damage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore
    from store.db.types import ContentKey
    from store.formats.image.config import ImageConfig
    from store.formats.image.manifests import Link
    from store.model.digests import Digest, ImageID


class Sparse(StrEnum):
    """What a manifest that is pushed may point at although it is not in the repository.

    What has URLs of its own always may be missing.
    """

    NOTHING = "nothing"
    INDEXES = "indexes"
    """Manifests that an index lists: the platforms nobody wanted."""

    BLOBS = "blobs"
    """Blobs as well: a client that relies on being told of a missing one is not told."""


@final
@dataclass(frozen=True, slots=True)
class Pushed:
    """What a manifest's push did."""

    digest: Digest
    subject: Digest | None
    tags: tuple[str, ...]
    image_id: ImageID | None
    """The image it describes, when its layers have not been looked into yet."""


@final
@dataclass(slots=True)
class Put:
    """One push, inside of its write unit."""

    connection: Connection
    repository: Repository
    document: Document
    blobs: BlobStore
    now: datetime
    sparse: Sparse
    _keys: dict[Digest, ContentKey] = field(default_factory=dict)

    def run(self, config: ImageConfig | None, tags: Sequence[str], *, operation: str) -> Pushed:
        """Do it; ``operation`` is what the log of references calls it.

        Raises MissingBlobs, DigestMismatch.
        """
        document, connection = self.document, self.connection
        self._targets()
        key = content.put_documents(connection, {document.digest: document.data})[document.digest]
        image, verified = (None, True) if config is None else self._image(config)
        subject = (
            None
            if document.subject is None
            else self._absent(document.subject.digest, document.subject.size_bytes)
        )
        edges = [manifests.Edge(link, self._keys[link.digest]) for link in document.links]
        new = manifests.NewManifest(
            key,
            document.kind.value,
            document.media_type,
            document.effective_artifact_type,
            image,
            subject,
            edges,
            document.annotations,
        )
        manifests.add(connection, [new])
        repository_key = serving.ensure_repositories(connection, (self.repository,))[
            self.repository
        ]
        serving.hold(connection, repository_key, key)
        names = [Reference(self.repository, tag) for tag in tags]
        if names:
            naming.set_tags(
                connection,
                dict.fromkeys(names, key),
                now=self.now,
                operation=operation,
                served=True,
            )
        target = str(document.digest if config is None else config.image_id)
        about = names[0] if names else Reference(self.repository, None, document.digest)
        records.add_events(connection, [Event(self.now, "push", target, {"name": about.familiar})])
        unseen = None if config is None or verified else config.image_id
        return Pushed(
            document.digest,
            None if document.subject is None else document.subject.digest,
            tuple(tags),
            unseen,
        )

    # --- what it points at ------------------------------------------------------------------------

    def _targets(self) -> None:
        links = self.document.links
        held = catalog.held(self.connection, self.repository, (link.digest for link in links))
        if damage.mark_missing(self.connection, self.blobs, held):
            held = catalog.held(self.connection, self.repository, held)
        missing = [
            link for link in links if link.digest not in held and not self._may_be_missing(link)
        ]
        if missing:
            raise MissingBlobs(
                [
                    (str(self.document.digest), f"{link.role} {link.position}", link.digest)
                    for link in missing
                ]
            )
        known = content.find(self.connection, held)
        absent: dict[Digest, int | None] = {}
        for link in links:
            if link.digest in held:
                self._fits(link, known[link.digest].size_bytes)
            else:
                absent.setdefault(link.digest, link.target.size_bytes)
        # All at once: an index may list tens of thousands, and everybody else who writes waits
        # meanwhile.
        self._keys = {**held, **content.ensure_all(self.connection, absent, ContentState.ABSENT)}

    def _may_be_missing(self, link: Link) -> bool:
        if link.urls or self.sparse is Sparse.BLOBS:
            return True
        return link.role is Role.CHILD and self.sparse is Sparse.INDEXES

    def _fits(self, link: Link, size_bytes: int | None) -> None:
        if size_bytes != link.target.size_bytes:
            raise DigestMismatch(
                f"the size of {link.role} {link.position}, {link.digest}",
                want=link.target.size_bytes,
                got=size_bytes,
            )

    def _absent(self, digest: Digest, size_bytes: int) -> ContentKey:
        return content.ensure(self.connection, digest, size_bytes, ContentState.ABSENT)

    # --- the image it describes -------------------------------------------------------------------

    def _image(self, config: ImageConfig) -> tuple[ContentKey, bool]:
        key = content.put_documents(self.connection, {config.image_id.digest: config.data})[
            config.image_id.digest
        ]
        blobs = [link.digest for link in self.document.layers]
        decoded = encodings.encoded(self.connection, blobs)
        diffs = content.ensure_all(
            self.connection, {diff.digest: None for diff in config.diff_ids}, ContentState.ABSENT
        )
        chain = [(diff, diffs[diff.digest]) for diff in config.diff_ids]
        present = content.present(self.connection, blobs)
        verified = all(
            blob in present and (blob == diff.digest or (blob, diff.digest) in decoded)
            for blob, diff in zip(blobs, config.diff_ids, strict=True)
        )
        top = layers.ensure_layers(self.connection, [chain])[0]
        images.add(self.connection, {key: images.NewImage.of(config, top, verified=verified)})
        return key, verification.diff_state(self.connection, key) == "verified"
