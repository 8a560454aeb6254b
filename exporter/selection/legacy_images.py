"""The images of a legacy save, by the rules of ``docker save`` (docker-archive.md §5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from exporter.selection.holdings import Holdings
from exporter.selection.loading import Loading, descend_together, look_up_configs
from exporter.selection.platforms import choose_image, is_index
from exporter.selection.roots import manifest_in_scope, require_in_scope
from exporter.selection.scopes import look_up, scope_of, usable_foreign_layers
from store.catalog import content, foreign_layers, images, layers, manifests
from store.errors import ReferenceNotFound
from store.formats.image.manifests import Document
from store.model.digests import Digest
from store.model.remedies import Note, Remedy
from store.names.resolve import (
    ResolvedImage,
    ResolvedManifest,
    ResolvedRepository,
    reference_not_found,
    resolve,
    tags_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from sqlalchemy import Connection

    from exporter.options import MayRead, SaveOptions
    from exporter.selection.document_reader import DocumentReader
    from exporter.selection.scopes import Scope
    from store.catalog.layers import ChainedLayer
    from store.catalog.references import TagTarget
    from store.db.types import ContentKey
    from store.model.contents import Sources
    from store.model.digests import ImageID
    from store.model.references import Reference, Repository


@final
@dataclass(frozen=True, slots=True)
class SelectedImage:
    """One image of a save.

    Attributes:
        image_id: The digest of the image's config.
        tags: The image's tags in the archive, in the order they were resolved.
        layers: The image's layers, base first.
        parent: The image that this one was built on; None if the store does not know a parent.
        manifests: The manifests of the image that were named; empty if only its ID was named.
    """

    image_id: ImageID
    tags: tuple[Reference, ...]
    layers: tuple[ChainedLayer, ...]
    parent: ImageID | None
    manifests: tuple[Digest, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Selection:
    """The images of a legacy save, and their content.

    Attributes:
        images: The images, in the order in which the names first mention them.
        sources: The stored forms of every config and layer, by digest.
        foreign: Descriptors of the foreign layers of each image as JSON bytes, by diff ID.
        notes: Notes for the user about the archive, one sentence each.
    """

    images: tuple[SelectedImage, ...]
    sources: Mapping[Digest, Sources]
    foreign: Mapping[ImageID, Mapping[Digest, bytes]]
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
        repositories: The repository of the name; empty for an image ID or a digest.
        tag: The tag that the image gets in the archive; None for no tag.
        name: The name that the user gave, for messages.
    """

    target: ContentKey | Digest
    repositories: tuple[Repository, ...]
    tag: Reference | None
    name: str


@dataclass(slots=True)
class _Chosen:
    """An image that names mention: its tags, and its manifests with the scopes of the names."""

    tags: dict[Reference, None] = field(default_factory=dict)
    manifests: list[tuple[Document, Scope]] = field(default_factory=list)


@dataclass(slots=True)
class _Names:
    """What the user's names stand for, in the order of the names."""

    connection: Connection
    reader: DocumentReader
    may_read: MayRead | None
    known: Mapping[Reference, TagTarget]
    named: list[_Named] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _targets: set[ContentKey | Digest] = field(default_factory=set)

    def add(self, text: str) -> None:
        """Add every image that ``text`` names."""
        self.reader.count_names(1)
        match resolve(self.connection, text, max_tags=self.reader.max_tags, known=self.known):
            case ResolvedImage() as image if self.may_read is None:
                self._add(_Named(image.key, (), None, text))
            case ResolvedImage() as image:
                found = manifest_in_scope(self.connection, image, self.may_read)
                self._add(_Named(found.digest, (), None, text))
            case ResolvedManifest() as manifest:
                require_in_scope(self.connection, manifest, self.may_read)
                name = manifest.reference
                if name is None:
                    self._add(_Named(manifest.digest, (), None, text))
                else:
                    # A reference with a digest gives the image no tag, even if it has a tag too.
                    tag = name if name.digest is None else None
                    self._add(_Named(manifest.digest, (name.repository,), tag, name.familiar))
            case ResolvedRepository() as repository:
                self._add_repository(repository)

    def _add(self, one: _Named) -> None:
        self.named.append(one)
        self._targets.add(one.target)
        self.reader.require_images(len(self._targets))

    def _add_repository(self, repository: ResolvedRepository) -> None:
        name = repository.name.familiar
        self.reader.count_names(len(repository.targets) - 1)
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
                tag = target.reference
                self._add(_Named(target.digest, (tag.repository,), tag, tag.familiar))


def _choose(holdings: Holdings, names: _Names, options: SaveOptions) -> dict[ContentKey, _Chosen]:
    """Return the images in the order in which names first mention them."""
    by_scope: dict[tuple[Repository, ...], Loading] = {}
    roots: dict[tuple[Repository, ...], list[Digest]] = {}
    for one in names.named:
        if isinstance(one.target, Digest):
            roots.setdefault(one.repositories, []).append(one.target)
    for scope in roots:
        by_scope[scope] = Loading(holdings, names.reader, scope_of(scope, options.may_read))
    descend_together([(by_scope[scope], digests) for scope, digests in roots.items()])
    look_up_configs(by_scope.values())
    found: list[tuple[ContentKey | Document, _Named]] = []
    for one in names.named:
        names.reader.check()
        if isinstance(one.target, Digest):
            document, notes = choose_image(
                by_scope[one.repositories], one.target, options, one.name
            )
            names.notes.extend(notes)
            found.append((document, one))
        else:
            found.append((one.target, one))
    keys = manifests.image_of_each(
        holdings.connection, [target.digest for target, _ in found if isinstance(target, Document)]
    )
    chosen: dict[ContentKey, _Chosen] = {}
    for target, one in found:
        key = keys.get(target.digest) if isinstance(target, Document) else target
        if key is None:
            raise reference_not_found(one.name)
        of_image = chosen.setdefault(key, _Chosen())
        if isinstance(target, Document):
            of_image.manifests.append((target, by_scope[one.repositories].scope))
        if one.tag is not None:
            of_image.tags[one.tag] = None
    return chosen


def _usable_layers(
    holdings: Holdings,
    key: ContentKey,
    chosen: _Chosen,
    diffs: Sequence[Digest],
    held: Mapping[Scope, AbstractSet[Digest]],
    listed: Mapping[ContentKey, dict[Digest, bytes]],
) -> tuple[set[Digest], dict[Digest, bytes]]:
    """Return the diffs of an image that its names give, and descriptors of foreign layers.

    A diff is in the scope of a name if the scope has the layer that the manifest lists for it.

    Args:
        holdings: The answers of a read transaction.
        key: Row number of the image.
        chosen: The manifests of the image, with the scopes of their names.
        diffs: The diff IDs of the image, base first.
        held: The layers that each scope has.
        listed: Descriptors of the foreign layers of all images.
    """
    if not chosen.manifests:
        return set(diffs), listed.get(key, {})
    usable: set[Digest] = set()
    foreign: dict[Digest, bytes] = {}
    of_image = {key: listed[key]} if key in listed else {}
    for document, scope in chosen.manifests:
        usable.update(
            diff
            for link, diff in zip(document.layers, diffs, strict=True)
            if link.digest in held[scope]
        )
        foreign |= usable_foreign_layers(holdings, scope, of_image).get(key, {})
    return usable, foreign


def _held_layers(holdings: Holdings, chosen: Iterable[_Chosen]) -> dict[Scope, AbstractSet[Digest]]:
    """Return the layers that each scope has, of all manifests in the scope."""
    listed: dict[Scope, dict[Digest, None]] = {}
    for one in chosen:
        for document, scope in one.manifests:
            listed.setdefault(scope, {}).update(
                dict.fromkeys(link.digest for link in document.layers)
            )
    look_up(holdings, listed.items())
    return {scope: scope.held(holdings, blobs) for scope, blobs in listed.items()}


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
    reader.start_selection()
    named = _Names(connection, reader, options.may_read, tags_of(connection, names))
    for name in names:
        reader.check()
        named.add(name)
    holdings = Holdings(connection)
    chosen = _choose(holdings, named, options)
    reader.require_images(len(chosen))
    ids = images.ids_of(connection, chosen)
    chains = layers.chains(connection, chosen)
    reader.require_layers(sum(map(len, chains.values())))
    parents = images.parents_of(connection, chosen)
    selected = tuple(
        SelectedImage(
            ids[key],
            tuple(one.tags),
            chains.get(key, ()),
            parents.get(key),
            tuple(dict.fromkeys(document.digest for document, _ in one.manifests)),
        )
        for key, one in chosen.items()
    )
    held = _held_layers(holdings, chosen.values())
    listed = foreign_layers.foreign_sources(connection, chosen)
    wanted = {image.image_id.digest: None for image in selected}
    foreign: dict[ImageID, dict[Digest, bytes]] = {}
    for image, (key, one) in zip(selected, chosen.items(), strict=True):
        reader.check()
        diffs = [layer.diff_id.digest for layer in image.layers]
        usable, descriptors = _usable_layers(holdings, key, one, diffs, held, listed)
        wanted.update(dict.fromkeys(diff for diff in diffs if diff in usable))
        foreign[image.image_id] = descriptors
    reader.require_small(connection, wanted)
    return Selection(selected, content.sources(connection, wanted), foreign, tuple(named.notes))
