"""Names to images, by the rules of ``docker save`` (docker-archive.md §5), and what SQL knows of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from exporter.selection.platforms import image_for, is_index
from store.catalog import content, foreign_layers, images, layers, manifests, references
from store.errors import (
    ImageNotFound,
    InvalidDigest,
    InvalidReference,
    ReferenceNotFound,
    printable,
)
from store.model.digests import ImageID
from store.model.references import Reference
from store.model.remedies import Note, Remedy
from store.names.resolve import by_prefix, full_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from exporter.options import SaveOptions
    from exporter.selection.loading import Read
    from store.catalog.layers import ChainedLayer
    from store.db.types import ContentKey
    from store.model.contents import Sources
    from store.model.digests import Digest


@final
@dataclass(frozen=True, slots=True)
class SelectedImage:
    """One image of a save, with the tags that the arguments gave it, in the order they were resolved."""

    image_id: ImageID
    tags: tuple[Reference, ...]
    layers: tuple[ChainedLayer, ...]
    parent: ImageID | None


@final
@dataclass(frozen=True, slots=True)
class Selection:
    """What a save is made of.

    ``sources`` say where the bytes of every config and layer can be had; ``foreign`` has
    descriptors of foreign layers.
    """

    images: tuple[SelectedImage, ...]
    sources: Mapping[Digest, Sources]
    foreign: Mapping[Digest, bytes]
    notes: tuple[str, ...] = ()

    def image_ids(self) -> set[ImageID]:
        """The images in it."""
        return {image.image_id for image in self.images}

    def needs(self) -> set[Digest]:
        """Everything that has to stay while it is being saved."""
        stored = {
            encoding.digest for sources in self.sources.values() for encoding in sources.encodings
        }
        return {*self.sources, *stored}


@dataclass(slots=True)
class _Chosen:
    """Images in the order of their first mention; for each its tags, without repeats."""

    connection: Connection
    options: SaveOptions
    read: Read
    tags: dict[ContentKey, dict[Reference, None]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, key: ContentKey, tag: Reference | None = None) -> None:
        mine = self.tags.setdefault(key, {})
        if tag is not None:
            mine[tag] = None

    def add_manifest(self, digest: Digest, tag: Reference | None, name: str) -> None:
        """The image of a manifest, or the one of an index that is for the platform.

        Raises InvalidInput, ReferenceNotFound when there is none.
        """
        manifest, notes = image_for(self.connection, digest, self.options, self.read, name)
        key = manifests.key_of(self.connection, manifest)
        image = None if key is None else references.image_of(self.connection, key)
        if image is None:
            raise ReferenceNotFound(f"{name}: reference does not exist", remedy=Remedy.LIST_IMAGES)
        self.add(image, tag)
        self.notes.extend(notes)


def select(
    connection: Connection, names: Sequence[str], options: SaveOptions, read: Read
) -> Selection:
    """Resolve every argument, in order; the first one that fails ends it.

    ``read`` gives the bytes of a small content.

    Raises ImageNotFound, ReferenceNotFound, AmbiguousName, InvalidReference, InvalidInput when
    nothing is for the platform.
    """
    chosen = _Chosen(connection, options, read)
    for name in names:
        _resolve(connection, name, chosen)
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


def _resolve(connection: Connection, text: str, chosen: _Chosen) -> None:
    digest = full_id(text)
    if digest is not None:
        key = images.key_of(connection, ImageID(digest))
        if key is None and manifests.key_of(connection, digest) is not None:
            chosen.add_manifest(digest, None, text)
            return
        if key is None:
            raise ImageNotFound(f"No such image: {printable(text)}", remedy=Remedy.LIST_IMAGES)
        chosen.add(key)
        return
    try:
        name = Reference.parse(text)
    except InvalidDigest as exc:
        raise InvalidReference(f"invalid reference format: {exc.message}", text=text) from exc
    if name.repository.familiar == "sha256":
        _by_prefix(connection, text, chosen)
    elif name.is_name_only:
        _in_repository(connection, name, text, chosen)
    else:
        _exactly(connection, name, chosen)


def _in_repository(connection: Connection, name: Reference, text: str, chosen: _Chosen) -> None:
    found = references.in_repository(connection, name.repository)
    artifacts = [
        target.reference
        for target in found
        if target.image is None and not is_index(connection, target.digest)
    ]
    if not found:
        _by_prefix(connection, text, chosen)
    elif len(artifacts) == len(found):
        raise ReferenceNotFound(
            f"no tag of {name.familiar} is an image",
            remedy=Remedy.SAVE_AS_OCI_OR_DOCKER,
        )
    elif artifacts:
        chosen.notes.append(
            Note(
                f"{name.familiar}: left out artifacts:"
                f" {', '.join(one.tag or '' for one in artifacts)}",
                Remedy.SAVE_AS_OCI_OR_DOCKER,
            )
        )
    for target in found:
        if target.reference not in artifacts:
            chosen.add_manifest(target.digest, target.reference, target.reference.familiar)


def _by_prefix(connection: Connection, text: str, chosen: _Chosen) -> None:
    found = by_prefix(connection, text)
    key = None if found is None else images.key_of(connection, found)
    if key is None:
        raise ImageNotFound(f"No such image: {printable(text)}", remedy=Remedy.LIST_IMAGES)
    chosen.add(key)


def _exactly(connection: Connection, name: Reference, chosen: _Chosen) -> None:
    if name.digest is not None:
        # The digest decides, whatever tag stands beside it, and selects the image without a tag.
        manifest = references.holds(connection, name.repository, name.digest)
        if manifest is not None:
            chosen.add_manifest(name.digest, None, name.familiar)
            return
    else:
        target = references.get(connection, name)
        if target is not None:
            chosen.add_manifest(target.digest, target.reference, name.familiar)
            return
    raise ReferenceNotFound(f"{name.familiar}: reference does not exist", remedy=Remedy.LIST_IMAGES)
