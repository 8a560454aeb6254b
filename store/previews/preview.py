"""The images and artifacts of an archive, in the shapes of the store's own answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, final

from store.errors import MissingMember
from store.formats.archives.layout_documents import dir_blob_paths, oci_blob_paths
from store.formats.golang.path_match import compile_pattern
from store.formats.image.deterministic import deterministic_manifest
from store.formats.image.layout_names import INDEX
from store.formats.image.media_types import OCI_MANIFEST
from store.model.contents import Codec, ContentState, StoredEncoding
from store.model.digests import ChainID, Digest
from store.model.platforms import Platform
from store.model.references import Reference
from store.previews.reading import read_claim
from store.queries.details import (
    ImageDetails,
    LayerDetails,
    LinkDetails,
    ManifestContents,
    ManifestDetails,
)
from store.queries.results import ImageSummary, ManifestSummary, TaggedReference

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from store.formats.archives.claims import ImageClaim, Root
    from store.formats.archives.layout_documents import BlobPaths
    from store.formats.archives.selection import Choice
    from store.formats.image.config import ImageConfig
    from store.formats.image.manifests import Document, Link
    from store.model.digests import ImageID
    from store.model.limits import Limits
    from store.model.platforms import PlatformChoice
    from store.previews.reading import ReadClaim
    from store.queries.results import ImageFilter

_CODECS: Final = (("gzip", Codec.GZIP), ("zstd", Codec.ZSTD))


@final
@dataclass(frozen=True, slots=True)
class Preview:
    """The content of an archive.

    Attributes:
        images: The images, in the order of the archive.
        manifests: The artifacts at the top level of the archive, and its indexes without an
            image.
        notes: What an import would note.
        parts: The digests of the manifests that the archive's indexes list.
    """

    images: tuple[ImageDetails, ...]
    manifests: tuple[ManifestContents, ...]
    notes: tuple[str, ...]
    parts: frozenset[Digest]

    @property
    def named_images(self) -> tuple[ImageDetails, ...]:
        """The images that have a name, or are neither the parent nor a part of anything.

        So of a multi-platform index, only the image that its name stands for is included.
        """
        return tuple(one for one in self.images if one.references or not self._is_part(one))

    def _is_part(self, image: ImageDetails) -> bool:
        return bool(image.children) or any(one.digest in self.parts for one in image.manifests)

    def image_list(self, filters: ImageFilter) -> tuple[ImageSummary, ...]:
        """Return the images that pass ``filters``, as a list shows them.

        Args:
            filters: ``before``, ``since`` and ``after`` are not used.
        """
        patterns = [compile_pattern(text) for text in filters.references]
        found = []
        for image in self.images:
            is_part, created = self._is_part(image), image.config.created.utc()
            names = tuple(one for one in image.references if _fits(one.reference, patterns))
            is_dangling = not image.references and not is_part
            if (
                (not image.references and is_part and not filters.include_intermediate)
                or (filters.dangling is not None and filters.dangling != is_dangling)
                or (patterns and not names)
                or not all(_has_label(image.config, text) for text in filters.labels)
                or not filters.choice.fits(platform_of(image.config))
            ):
                continue
            found.append(
                ImageSummary(
                    image_id=image.image_id,
                    references=names,
                    digests=(),
                    manifests=tuple(one.digest for one in image.manifests),
                    # The catalogue holds whole seconds.
                    created=None if created is None else created.replace(microsecond=0),
                    platform=platform_of(image.config),
                    size_bytes=image.size_bytes,
                    parent=image.parent,
                    dangling=is_dangling,
                    intermediate=not image.references and is_part,
                )
            )
        return tuple(found[: filters.limit])

    def manifest_list(self, filters: ImageFilter) -> tuple[ManifestSummary, ...]:
        """Return the artifacts that pass ``filters``, as a list shows them.

        Args:
            filters: A filter by label excludes every artifact.
        """
        patterns = [compile_pattern(text) for text in filters.references]
        return tuple(
            one.summary
            for one in self.manifests
            if not filters.labels
            and not filters.choice.wanted
            and (filters.dangling is None or filters.dangling != bool(one.summary.references))
            and (not patterns or any(_fits(name, patterns) for name in one.summary.references))
        )[: filters.limit]


def preview(
    source: Path | BinaryIO,
    limits: Limits,
    choice: Choice,
    platforms: PlatformChoice,
    new_file: Callable[[], Path],
) -> Preview:
    """Return what an archive or a folder says about its images.

    Layers are neither read nor checked. The size of a layer is its size in the archive; if the
    archive has manifests, it is the size that the manifest states, compressed or not.

    Args:
        source: An archive file, a folder, or a stream.
        limits: The ceilings of an import.
        choice: The images to read.
        platforms: The image that the name of an index stands for.
        new_file: Returns the path of a file to create outside of any store. It is called only for
            an archive that is compressed, or in a pipe.

    Raises:
        InvalidInput: An import would refuse the documents, or has no image that ``choice`` selects.
    """
    with read_claim(source, limits, choice, new_file) as read:
        return _Reading(read, platforms).preview()


@final
@dataclass(slots=True)
class _Image:
    """An image while its facts are collected."""

    config: ImageConfig
    layers: tuple[LayerDetails, ...]
    parent: ImageID | None = None
    names: list[TaggedReference] = field(default_factory=list)
    manifests: list[ManifestDetails] = field(default_factory=list)


@final
class _Reading:
    def __init__(self, read: ReadClaim, platforms: PlatformChoice) -> None:
        self._platforms = platforms
        self._claim = read.claim
        self._graph = read.claim.graph
        self._members = read.members
        self._paths: BlobPaths = (oci_blob_paths if read.members.exists(INDEX) else dir_blob_paths)(
            read.members
        )
        self._images: dict[ImageID, _Image] = {}

    def preview(self) -> Preview:
        for claim in self._claim.images:
            if not claim.described:
                self._add_claim(claim)
        for digest, config in self._graph.configs.items():
            self._add_manifest(self._graph.documents[digest], config)
        for claim in self._claim.images:
            if claim.parent is not None and claim.config.image_id in self._images:
                self._images[claim.config.image_id].parent = claim.parent
        parts = frozenset(
            link.digest for document in self._graph.documents.values() for link in document.children
        )
        manifests = [
            self._contents(root)
            for root in self._graph.roots
            if root.digest in self._graph.documents
            and not self._tag_image(root)
            and not self._is_held(root, parts)
        ]
        children: dict[ImageID, list[ImageID]] = {}
        for image_id, image in self._images.items():
            if image.parent is not None:
                children.setdefault(image.parent, []).append(image_id)
        return Preview(
            tuple(
                self._details(image_id, image, children.get(image_id, ()))
                for image_id, image in self._images.items()
            ),
            tuple(manifests),
            self._claim.notes,
            parts,
        )

    # --- images -----------------------------------------------------------------------------------

    def _add_claim(self, claim: ImageClaim) -> None:
        """Add an image of ``manifest.json`` or ``repositories`` without a manifest."""
        config = claim.config
        layers = tuple(
            self._layer_file(config, position, path) for position, path in enumerate(claim.layers)
        )
        image = self._images.setdefault(config.image_id, _Image(config, layers))
        data = deterministic_manifest(config, [layer.size_bytes for layer in layers])
        made = ManifestDetails(Digest.of(data), OCI_MANIFEST, len(data), deterministic=True)
        if made not in image.manifests:
            image.manifests.append(made)
        image.names += [
            TaggedReference(Reference.parse(tag).with_default_tag(), made.digest)
            for tag in claim.tags
        ]

    def _layer_file(self, config: ImageConfig, position: int, path: str | None) -> LayerDetails:
        size, codec, state = 0, Codec.IDENTITY, ContentState.ABSENT
        try:
            if path is not None:
                staged = self._members.layer(path)
                codec = staged.codec or Codec.IDENTITY
                size = self._members.size(path) if staged.codec is None else staged.diff.size_bytes
                state = ContentState.PRESENT
        except MissingMember:
            # The archive expects that the store has this layer.
            pass
        diff = config.diff_ids[position]
        encodings = (
            (StoredEncoding(diff.digest, codec, size, seekable=True),)
            if state is ContentState.PRESENT and codec is Codec.IDENTITY
            else ()
        )
        return LayerDetails(
            diff, ChainID.of(config.diff_ids[: position + 1]), size, state, encodings, ()
        )

    def _add_manifest(self, document: Document, config: ImageConfig) -> None:
        chains = ChainID.each(config.diff_ids) if config.diff_ids else ()
        layers = tuple(
            LayerDetails(
                diff,
                chain,
                link.target.size_bytes,
                self._state(link),
                self._encodings(link),
                link.urls,
            )
            for link, diff, chain in zip(document.layers, config.diff_ids, chains, strict=True)
        )
        image = self._images.setdefault(config.image_id, _Image(config, layers))
        made = deterministic_manifest(config, [layer.size_bytes for layer in layers])
        image.manifests.append(
            ManifestDetails(
                document.digest,
                document.media_type,
                len(document.data),
                deterministic=document.digest == Digest.of(made),
            )
        )

    def _encodings(self, link: Link) -> tuple[StoredEncoding, ...]:
        if self._state(link) is not ContentState.PRESENT:
            return ()
        media_type = link.target.media_type
        codec = next((codec for end, codec in _CODECS if media_type.endswith(end)), Codec.IDENTITY)
        return (
            StoredEncoding(
                link.digest, codec, link.target.size_bytes, seekable=codec is Codec.IDENTITY
            ),
        )

    def _state(self, link: Link) -> ContentState:
        is_here = (
            link.digest in self._graph.documents
            or link.data is not None
            or self._paths.find(link.digest) is not None
        )
        return ContentState.PRESENT if is_here else ContentState.ABSENT

    def _tag_image(self, root: Root) -> bool:
        """Give the names of a root to its image; return whether it has one."""
        config = self._image_of(root.digest)
        if config is None:
            return False
        self._images[config.image_id].names += [
            TaggedReference(name, root.digest) for name in _references(root)
        ]
        return True

    def _image_of(self, digest: Digest) -> ImageConfig | None:
        """Return the config of a manifest, or of the image that an index stands for."""
        configs = self._graph.configs
        if digest in configs:
            return configs[digest]
        offers = list(self._offers(digest, {digest}))
        position = self._platforms.choose(platform for platform, _ in offers)
        return None if position is None else offers[position][1]

    def _offers(
        self, index: Digest, seen: set[Digest]
    ) -> Iterator[tuple[Platform | None, ImageConfig]]:
        """Yield the images of an index; those of a nested index stand in its place.

        Args:
            index: An index, or another document without children.
            seen: The indexes that were read; each is read once. The graph's depth has a ceiling.
        """
        for link in self._graph.documents[index].children:
            config = self._graph.configs.get(link.digest)
            if config is not None:
                platform = link.made_for or platform_of(config)
                yield (platform if platform.is_known else None), config
            elif link.digest in self._graph.documents and link.digest not in seen:
                seen.add(link.digest)
                yield from self._offers(link.digest, seen)

    @staticmethod
    def _details(image_id: ImageID, image: _Image, children: Iterable[ImageID]) -> ImageDetails:
        return ImageDetails(
            image_id=image_id,
            config=image.config,
            references=tuple(
                sorted(dict.fromkeys(image.names), key=lambda one: one.reference.familiar)
            ),
            digests=(),
            manifests=tuple(image.manifests),
            layers=image.layers,
            parent=image.parent,
            children=tuple(children),
            last_tagged=None,
        )

    # --- artifacts and indexes --------------------------------------------------------------------

    def _is_held(self, root: Root, parts: Collection[Digest]) -> bool:
        """Return whether a root without a name belongs to another document of the archive."""
        if root.names or root.bare:
            return False
        subject = self._graph.documents[root.digest].subject
        return root.digest in parts or (
            subject is not None and subject.digest in self._graph.documents
        )

    def _size_below(self, digest: Digest) -> int:
        """Return the size of a document and of all present content below it, each digest once."""
        sizes: dict[Digest, int] = {}
        for below in self._graph.below(digest):
            document = self._graph.documents[below]
            sizes[below] = len(document.data)
            for link in document.links:
                if self._state(link) is ContentState.PRESENT:
                    sizes.setdefault(link.digest, link.target.size_bytes)
        return sum(sizes.values())

    def _contents(self, root: Root) -> ManifestContents:
        document = self._graph.documents[root.digest]
        summary = ManifestSummary(
            document.digest,
            tuple(_references(root)),
            (),
            document.media_type,
            document.kind,
            document.effective_artifact_type or None,
            None if document.subject is None else document.subject.digest,
            self._size_below(document.digest),
        )
        links = tuple(
            LinkDetails(
                link.digest,
                link.role,
                link.target.media_type,
                link.target.size_bytes,
                self._state(link),
                link.platform or {},
            )
            for link in document.links
        )
        referrers = tuple(
            other.digest
            for other in self._graph.documents.values()
            if other.subject is not None and other.subject.digest == document.digest
        )
        return ManifestContents(summary, links, referrers)


def platform_of(config: ImageConfig) -> Platform:
    """Return the platform in an image's config."""
    # Docker reads a config without an operating system as one for Linux.
    return Platform.of(config.os or "linux", config.architecture, config.variant)


def _references(root: Root) -> list[Reference]:
    return [Reference.parse(name).with_default_tag() for name in root.names]


def _fits(name: Reference, patterns: Sequence[re.Pattern[str]]) -> bool:
    return not patterns or any(
        pattern.fullmatch(text)
        for pattern in patterns
        for text in (name.familiar, name.repository.familiar)
    )


def _has_label(config: ImageConfig, text: str) -> bool:
    key, equals, value = text.partition("=")
    return key in config.labels and (not equals or config.labels[key] == value)
