"""The images of a legacy save, by the rules of ``docker save`` (docker-archive.md §5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from exporter.selection.platforms import choose_image, is_index
from store.catalog import content, foreign_layers, images, layers, manifests, references
from store.errors import ReferenceNotFound
from store.model.remedies import Note, Remedy
from store.names.resolve import (
    ResolvedImage,
    ResolvedManifest,
    ResolvedRepository,
    reference_not_found,
    resolve,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from exporter.options import SaveOptions
    from exporter.selection.loading import Read
    from store.catalog.layers import ChainedLayer
    from store.db.types import ContentKey
    from store.model.contents import Sources
    from store.model.digests import Digest, ImageID
    from store.model.references import Reference


@final
@dataclass(frozen=True, slots=True)
class SelectedImage:
    """One image of a save.

    Attributes:
        image_id: The digest of the image's config.
        tags: The image's tags in the archive, in the order they were resolved.
        layers: The image's layers, base first.
        parent: The image that this one was built on; None if the store does not know a parent.
    """

    image_id: ImageID
    tags: tuple[Reference, ...]
    layers: tuple[ChainedLayer, ...]
    parent: ImageID | None


@final
@dataclass(frozen=True, slots=True)
class Selection:
    """The images of a legacy save, and their content.

    Attributes:
        images: The images, in the order in which the names first mention them.
        sources: The stored forms of every config and layer, by digest.
        foreign: Descriptors of foreign layers as JSON bytes, by diff ID.
        notes: Notes for the user about the archive, one sentence each.
    """

    images: tuple[SelectedImage, ...]
    sources: Mapping[Digest, Sources]
    foreign: Mapping[Digest, bytes]
    notes: tuple[str, ...] = ()

    def image_ids(self) -> set[ImageID]:
        """Return the IDs of the selected images."""
        return {image.image_id for image in self.images}

    def needs(self) -> set[Digest]:
        """Return the digests that must not be collected while the save runs."""
        stored = {
            encoding.digest for sources in self.sources.values() for encoding in sources.encodings
        }
        return {*self.sources, *stored}


@dataclass(slots=True)
class _Chosen:
    """Images in the order in which names first mention them, each with its tags."""

    connection: Connection
    options: SaveOptions
    read: Read
    tags: dict[ContentKey, dict[Reference, None]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Add every image that ``text`` names."""
        match resolve(self.connection, text):
            case ResolvedImage() as image:
                self._add_image(image.key, None)
            case ResolvedManifest() as manifest:
                name = manifest.reference
                # A reference with a digest gives the image no tag, even if it has a tag as well.
                tag = name if name is not None and name.digest is None else None
                self._add_manifest(manifest.digest, tag, text if name is None else name.familiar)
            case ResolvedRepository() as repository:
                self._add_repository(repository)

    def _add_image(self, key: ContentKey, tag: Reference | None) -> None:
        tags = self.tags.setdefault(key, {})
        if tag is not None:
            tags[tag] = None

    def _add_manifest(self, digest: Digest, tag: Reference | None, name: str) -> None:
        """Add the image of a manifest, or the image of an index for the platform."""
        manifest, notes = choose_image(self.connection, digest, self.options, self.read, name)
        key = manifests.key_of(self.connection, manifest)
        image = None if key is None else references.image_of(self.connection, key)
        if image is None:
            raise reference_not_found(name)
        self._add_image(image, tag)
        self.notes.extend(notes)

    def _add_repository(self, repository: ResolvedRepository) -> None:
        name = repository.name.familiar
        artifacts = [
            target.reference
            for target in repository.targets
            if target.image is None and not is_index(self.connection, target.digest)
        ]
        if len(artifacts) == len(repository.targets):
            raise ReferenceNotFound(
                f"cannot save {name} in the format legacy: all of its tags name artifacts",
                remedy=Remedy.SAVE_AS_OCI_OR_DOCKER,
            )
        if artifacts:
            left_out = ", ".join(tag.tag or "" for tag in artifacts)
            self.notes.append(
                Note(f"{name}: left out artifacts: {left_out}", Remedy.SAVE_AS_OCI_OR_DOCKER)
            )
        for target in repository.targets:
            if target.reference not in artifacts:
                self._add_manifest(target.digest, target.reference, target.reference.familiar)


def select(
    connection: Connection, names: Sequence[str], options: SaveOptions, read: Read
) -> Selection:
    """Return the images that ``names`` name.

    Args:
        connection: A read transaction.
        names: Tags, repositories, digests, image IDs and prefixes of image IDs.
        options: The platforms that select one image of each index.
        read: Returns the bytes of a stored manifest, index or config.

    Raises:
        AmbiguousName: A prefix fits several image IDs.
        ImageNotFound: No stored image has the ID or name.
        InvalidReference: A name is not a valid reference.
        InvalidInput: An index has no image for the platform.
        ReferenceNotFound: The store has no such tag or digest, or it names an artifact.
    """
    chosen = _Chosen(connection, options, read)
    for name in names:
        chosen.add(name)
    selected = tuple(
        SelectedImage(
            images.id_of(connection, key),
            tuple(tags),
            layers.chain(connection, key),
            images.parent_of(connection, key),
        )
        for key, tags in chosen.tags.items()
    )
    diffs = [layer.diff_id.digest for image in selected for layer in image.layers]
    wanted = [image.image_id.digest for image in selected] + diffs
    return Selection(
        selected,
        content.sources(connection, wanted),
        foreign_layers.foreign_sources(connection, diffs),
        tuple(chosen.notes),
    )
