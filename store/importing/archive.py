"""The types for reading an archive: its input, the content in the store, and the result."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, final

from store.formats.archives.selection import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from store.formats.archives.claims import ArchiveClaim
    from store.formats.archives.selection import Choice
    from store.formats.image.manifests import Link
    from store.importing.members.members import Members
    from store.importing.room import Room
    from store.importing.staging import Staged, Stager
    from store.model.digests import DiffID, Digest, ImageID
    from store.model.limits import Limits


class LayerChecks(StrEnum):
    """When the layers of manifests are compared with the diff IDs in the configs of their images.

    The digest of each blob is always checked while the blob is read.
    """

    LATER = "later"
    """Layers are not decoded if the source leaves that open. They are decoded before a reader needs
    them decoded, as the layers of pushed images are."""

    NOTED = "noted"
    """Layers are decoded at once. An image with other layers is stored, and a note names it."""

    REQUIRED = "required"
    """Layers are decoded at once. An image with other layers is refused."""


class Holdings(Protocol):
    """Look-ups of content in the store. Content that is found stays until the operation ends."""

    def diffs(self, wanted: Iterable[DiffID]) -> AbstractSet[DiffID]:
        """Return the diffs of ``wanted`` that the store has, in any encoding."""

    def blobs(self, wanted: Iterable[Digest]) -> AbstractSet[Digest]:
        """Return the digests of ``wanted`` whose bytes the store has."""

    def layers(self, wanted: Iterable[tuple[Digest, DiffID]]) -> AbstractSet[tuple[Digest, DiffID]]:
        """Return the pairs of ``wanted`` that the store records as an encoding of a diff.

        Args:
            wanted: Pairs of a blob's digest and the diff ID that the blob should decode to.
        """

    def document(self, digest: Digest) -> bytes | None:
        """Return the bytes of a small document, or None if the store does not have it."""


@final
@dataclass(frozen=True, slots=True)
class ArchiveInput:
    """An archive to read, with the tools and limits that the reader of its format needs.

    Attributes:
        members: The archive's files.
        stager: Stages the files that the store does not have.
        limits: Ceilings for documents and layers.
        holdings: Tells which content the store already has.
        choice: The part of the archive to import.
        room: The space that the import needs; None if nothing is written.
        checks: When the layers of manifests are decoded.
    """

    members: Members
    stager: Stager
    limits: Limits
    holdings: Holdings
    choice: Choice = ALL
    room: Room | None = None
    checks: LayerChecks = LayerChecks.NOTED


@final
@dataclass(slots=True)
class ReadArchive:
    """An archive that was read: its claim, and the staged content that the store did not have.

    Attributes:
        claim: The images, manifests and tags that the archive states, reduced to the chosen part.
        layers: Layers of images without a manifest, by diff ID.
        blobs: Layers that manifests list, by the digest in the manifest.
        others: Other blobs that manifests list, by digest.
        foreign: Links to layers that have a download address and no bytes, by diff ID.
        sources: Every link with a download address for a layer, by the image whose manifest has
            the link, and diff ID. Layers whose bytes were read are included.
        mismatches: Why the layers of a manifest are not those of its config, by the manifest's
            digest.
        undecoded: The manifests of images with a layer that was not decoded: it was staged so, or
            the store has it so.
    """

    claim: ArchiveClaim
    layers: dict[DiffID, Staged] = field(default_factory=dict)
    blobs: dict[Digest, Staged] = field(default_factory=dict)
    others: dict[Digest, Staged] = field(default_factory=dict)
    foreign: dict[DiffID, tuple[Link, ...]] = field(default_factory=dict)
    sources: dict[tuple[ImageID, DiffID], tuple[Link, ...]] = field(default_factory=dict)
    mismatches: dict[Digest, str] = field(default_factory=dict)
    undecoded: set[Digest] = field(default_factory=set)

    def staged(self) -> list[Staged]:
        """Return every staged file once, including the originals of recoded layers."""
        found: dict[int, Staged] = {}
        for one in (*self.layers.values(), *self.blobs.values(), *self.others.values()):
            found[id(one)] = one
            if one.original is not None:
                found[id(one.original)] = one.original
        return list(found.values())

    def digests(self) -> set[Digest]:
        """Return every digest of which the archive has brought bytes, plain or encoded."""
        found: set[Digest] = set()
        for one in self.staged():
            found.update((one.stored.digest, one.diff.digest, *one.aliases))
        return found.union((diff.digest for diff in self.layers), self.blobs, self.others)

    def notes(self) -> tuple[str, ...]:
        """Return a note for each layer of an image without a manifest that is not a tar."""
        return tuple(
            f"a layer was kept as it is, but engines may not unpack it: {layer.problem.message}"
            for layer in self.layers.values()
            if layer.problem is not None
        )
