"""The images of a legacy save, by the rules of ``docker save`` (docker-archive.md §5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from exporter.selection.loading import Loading
from exporter.selection.platforms import choose_image, is_index
from store.catalog import content, foreign_layers, images, layers, manifests
from store.errors import ReferenceNotFound
from store.model.digests import Digest
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
    from exporter.selection.document_reader import DocumentReader
    from store.catalog.layers import ChainedLayer
    from store.db.types import ContentKey
    from store.model.contents import Sources
    from store.model.digests import ImageID
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


@final
@dataclass(frozen=True, slots=True)
class _Named:
    """One image, manifest or index that a name stands for.

    Attributes:
        target: The row number of an image, or the digest of a manifest or index.
        tag: The tag that the image gets in the archive; None for no tag.
        name: The name that the user gave, for messages.
    """

    target: ContentKey | Digest
    tag: Reference | None
    name: str


@dataclass(slots=True)
class _Names:
    """What the user's names stand for, in the order of the names."""

    connection: Connection
    reader: DocumentReader
    named: list[_Named] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _targets: set[ContentKey | Digest] = field(default_factory=set)

    def add(self, text: str) -> None:
        """Add every image that ``text`` names."""
        match resolve(self.connection, text, max_tags=self.reader.max_tags):
            case ResolvedImage() as image:
                self._add(_Named(image.key, None, text))
            case ResolvedManifest() as manifest:
                name = manifest.reference
                # A reference with a digest gives the image no tag, even if it has a tag as well.
                tag = name if name is not None and name.digest is None else None
                shown = text if name is None else name.familiar
                self._add(_Named(manifest.digest, tag, shown))
            case ResolvedRepository() as repository:
                self._add_repository(repository)

    def _add(self, one: _Named) -> None:
        self.named.append(one)
        self._targets.add(one.target)
        self.reader.require_images(len(self._targets))

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
        left = set(artifacts)
        for target in repository.targets:
            if target.reference not in left:
                self._add(_Named(target.digest, target.reference, target.reference.familiar))


def _choose(
    connection: Connection, names: _Names, options: SaveOptions
) -> dict[ContentKey, dict[Reference, None]]:
    """Return the images in the order in which names first mention them, each with its tags."""
    loading = Loading(connection, names.reader)
    loading.descend(one.target for one in names.named if isinstance(one.target, Digest))
    chosen: list[tuple[ContentKey | Digest, _Named]] = []
    for one in names.named:
        names.reader.check()
        target = one.target
        if isinstance(target, Digest):
            target, notes = choose_image(loading, target, options, one.name)
            names.notes.extend(notes)
        chosen.append((target, one))
    keys = manifests.image_of_each(
        connection, [target for target, _ in chosen if isinstance(target, Digest)]
    )
    tags: dict[ContentKey, dict[Reference, None]] = {}
    for target, one in chosen:
        key = keys.get(target) if isinstance(target, Digest) else target
        if key is None:
            raise reference_not_found(one.name)
        of_image = tags.setdefault(key, {})
        if one.tag is not None:
            of_image[one.tag] = None
    return tags


def select(
    connection: Connection, names: Sequence[str], options: SaveOptions, reader: DocumentReader
) -> Selection:
    """Return the images that ``names`` name.

    Args:
        connection: A read transaction.
        names: Tags, repositories, digests, image IDs and prefixes of image IDs.
        options: The platforms that select one image of each index.
        reader: Reads manifests, indexes and configs.

    Raises:
        AmbiguousName: A prefix fits several image IDs.
        ImageNotFound: No stored image has the ID or name.
        InvalidReference: A name is not a valid reference.
        InvalidInput: An index has no image for the platform.
        ReferenceNotFound: The store has no such tag or digest, or it names an artifact.
        TooLarge: The archive would exceed the ceilings of ``reader``.
    """
    named = _Names(connection, reader)
    for name in names:
        reader.check()
        named.add(name)
    chosen = _choose(connection, named, options)
    reader.require_images(len(chosen))
    ids = images.ids_of(connection, chosen)
    chains = layers.chains(connection, chosen)
    reader.require_layers(sum(map(len, chains.values())))
    parents = images.parents_of(connection, chosen)
    selected = tuple(
        SelectedImage(ids[key], tuple(tags), chains.get(key, ()), parents.get(key))
        for key, tags in chosen.items()
    )
    diffs = list(
        dict.fromkeys(layer.diff_id.digest for image in selected for layer in image.layers)
    )
    wanted = [image.image_id.digest for image in selected] + diffs
    reader.require_small(connection, wanted)
    return Selection(
        selected,
        content.sources(connection, wanted),
        foreign_layers.foreign_sources(connection, diffs),
        tuple(named.notes),
    )
