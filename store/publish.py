"""The write unit at the end of an import: look again, move files into place, insert rows; all of it or none.

What was found before the transaction is leased, what became present meanwhile is dropped from staging, and nothing is printed before the commit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from store.catalog import content, images, records, references
from store.errors import ContentMissing
from store.model import ContentState, Event, ImportedTag
from store.references import Reference
from store.values import Descriptor, DiffID, Digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.archives.claims import ImageClaim
    from store.blobs.protocol import BlobStore
    from store.db.types import ContentKey
    from store.documents import ImageConfig
    from store.ingest import Intake
    from store.limits import Limits
    from store.operations import Operation
    from store.staging import StagedLayer
    from store.values import ImageID

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"


@final
@dataclass(slots=True)
class Published:
    """What the write unit did."""

    tags: list[ImportedTag] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    new_images: int = 0
    new_layers: int = 0
    new_bytes: int = 0
    changed: bool = False


def deterministic_manifest(config: ImageConfig, sizes: list[int]) -> bytes:
    """The manifest that Docker ≥ 25.0.6 writes into its archives for this image (docker-archive.md §9): plain-tar layers, a function of the image alone."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": str(config.image_id), "size": len(config.data)},
        "layers": [{"mediaType": LAYER_TYPE, "digest": str(diff), "size": size} for diff, size in zip(config.diff_ids, sizes, strict=True)],
    }
    return json.dumps(document, separators=(",", ":")).encode()


@final
class Publisher:
    """Carries one import's write unit."""

    def __init__(self, connection: Connection, blobs: BlobStore, operation: Operation, *, limits: Limits, now: datetime) -> None:
        self._connection = connection
        self._blobs = blobs
        self._operation = operation
        self._limits = limits
        self._now = now
        self._done = Published()
        self._diffs: dict[DiffID, tuple[ContentKey, int]] = {}
        self._images: dict[ImageID, tuple[ContentKey, ImageConfig]] = {}

    def publish(self, intake: Intake, *, source_name: str) -> Published:
        """Make everything the archive claims true. Raises ContentMissing when something relied on has gone (it cannot, while leases hold)."""
        claims = intake.claim.images
        self._layers(intake)
        for claim in claims:
            self._image(claim)
        for claim in claims:
            if claim.parent is not None:
                self._done.changed |= images.set_parent(self._connection, self._images[claim.config.image_id][0], self._images[claim.parent][0])
        self._tags(claims)
        for image_id, (key, _) in self._images.items():
            if not images.is_rooted(self._connection, key):
                self._done.changed |= references.keep(self._connection, self._manifest(image_id), now=self._now)
        self._id_lines(claims)
        self._record(intake, source_name)
        return self._done

    # --- layers ------------------------------------------------------------------------------------------------------

    def _layers(self, intake: Intake) -> None:
        wanted = [diff.digest for image in intake.claim.images for diff in image.config.diff_ids]
        # What somebody else brought meanwhile stays, in whatever encoding it came; ours is dropped with the operation's folder.
        present = {digest for digest, known in content.find(self._connection, wanted).items() if known.state is ContentState.PRESENT}
        fresh = [staged for diff, staged in intake.layers.items() if diff.digest not in present]
        if fresh:
            self._operation.announce(staged.stored.digest for staged in fresh)
            self._blobs.publish((staged.path, staged.stored.digest) for staged in fresh)
        for staged in fresh:
            self._layer_rows(staged)
        found = content.find(self._connection, wanted)
        for digest in wanted:
            if digest not in found or found[digest].state is not ContentState.PRESENT:
                raise ContentMissing(
                    f"layer {digest} was in the store when the import began and is not any more", digest=digest, hint="import the archive again"
                )
        self._diffs = {DiffID(digest): (known.key, known.size_bytes or 0) for digest, known in found.items()}

    def _layer_rows(self, staged: StagedLayer) -> None:
        stored = content.put_blob(self._connection, staged.stored.digest, staged.stored.size_bytes, self._now)
        if staged.codec is not None:
            diff = content.ensure(self._connection, staged.diff.digest, staged.diff.size_bytes, ContentState.PRESENT)
            content.put_encoding(self._connection, diff, stored, staged.codec.value, seekable=staged.seekable)
        self._done.new_layers += 1
        self._done.new_bytes += staged.stored.size_bytes
        self._done.changed = True

    # --- images ------------------------------------------------------------------------------------------------------

    def _image(self, claim: ImageClaim) -> None:
        config = claim.config
        key = self._document(config.image_id.digest, config.data)
        self._images[config.image_id] = (key, config)
        new = images.NewImage(
            image_id=config.image_id,
            top=images.ensure_layers(self._connection, [(diff, self._diffs[diff][0]) for diff in config.diff_ids]),
            os=config.os,
            architecture=config.architecture,
            variant=config.variant,
            created_s=None if config.created.is_zero else config.created.unix_seconds,
            labels=config.labels,
        )
        if images.add(self._connection, key, new):
            self._done.new_images += 1
            self._done.changed = True
        for diff, descriptor in claim.sources.items():
            if diff in self._diffs:
                self._done.changed |= content.put_foreign_source(self._connection, self._diffs[diff][0], descriptor)

    def _document(self, digest: Digest, data: bytes) -> ContentKey:
        if len(data) <= self._limits.inline_bytes:
            return content.put_document(self._connection, digest, data)
        if not content.has_blob_row(self._connection, digest):
            staged = self._operation.stage(data)
            self._operation.announce((digest,))
            self._blobs.publish(((staged, digest),))
        return content.put_blob(self._connection, digest, len(data), self._now)

    def _manifest(self, image_id: ImageID) -> ContentKey:
        """The image's deterministic manifest, made when it is first needed."""
        image_key, config = self._images[image_id]
        layers = [(diff, *self._diffs[diff]) for diff in config.diff_ids]
        data = deterministic_manifest(config, [size for _, _, size in layers])
        key = self._document(Digest.of(data), data)
        edges: list[tuple[str, int, ContentKey, Descriptor]] = [("config", 0, image_key, Descriptor(CONFIG_TYPE, image_id.digest, len(config.data)))]
        edges.extend(("layer", position, diff_key, Descriptor(LAYER_TYPE, diff.digest, size)) for position, (diff, diff_key, size) in enumerate(layers))
        images.add_manifest(self._connection, key, image_key, MANIFEST_TYPE, edges)
        return key

    # --- names -------------------------------------------------------------------------------------------------------

    def _tags(self, claims: Sequence[ImageClaim]) -> None:
        # Docker tags one image after another. The lines tell that story, the rows only how it ends: so a repeated import really changes nothing.
        before: dict[Reference, ImageID | None] = {}
        now: dict[Reference, ImageID] = {}
        for claim in claims:
            for text in claim.tags:
                name = Reference.parse(text)
                if name.digest is not None or name.repository.familiar == "sha256":
                    self._done.lines.append(f"Loaded image: {name.familiar}")
                    self._done.notes.append(f"{name.familiar} cannot be a tag and was not set (Docker says nothing of it)")
                    continue
                if name not in before:
                    target = references.get(self._connection, name)
                    before[name] = None if target is None else target.image_id
                self._tag_lines(name, claim.config.image_id, now.get(name, before[name]))
                now[name] = claim.config.image_id
        for name, image_id in now.items():
            if before[name] != image_id:
                references.set_tag(self._connection, name, self._manifest(image_id), now=self._now, operation=self._operation.id)
                self._done.changed = True

    def _tag_lines(self, name: Reference, image_id: ImageID, holder: ImageID | None) -> None:
        replaced = holder if holder != image_id else None
        if replaced is not None:
            self._done.lines.append(f"The image {name.familiar} already exists, renaming the old one with ID {replaced} to empty string")
        self._done.lines.append(f"Loaded image: {name.familiar}")
        self._done.tags.append(ImportedTag(name, image_id, replaced))

    def _id_lines(self, claims: Sequence[ImageClaim]) -> None:
        # Docker lists the IDs of all images when the last one of the archive has no tag, and of none otherwise (docker-archive.md §6.2).
        listed = [claim for claim in claims if claim.listed]
        if listed and not listed[-1].tags:
            self._done.lines.extend(f"Loaded image ID: {claim.config.image_id}" for claim in listed)

    def _record(self, intake: Intake, source_name: str) -> None:
        claims = intake.claim.images
        records.add_events(
            self._connection,
            [Event(self._now, "import", str(claim.config.image_id), {"name": claim.tags[0] if claim.tags else str(claim.config.image_id)}) for claim in claims],
        )
        records.add_ledger_entry(
            self._connection,
            at=self._now,
            claim=intake.claim.digest,
            source=source_name,
            images={claim.config.image_id: claim.tags for claim in claims},
            changed=self._done.changed,
            operation=self._operation.id,
        )
