"""Placement: move staged files to their final paths, and insert the rows that refer to them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, final

from store.catalog import content, encodings, foreign_layers, images, layers, manifests
from store.catalog.batches import batches
from store.catalog.checking import verification
from store.catalog.collection import condemned
from store.catalog.documents import put_documents
from store.errors import ContentMissing, DigestMismatch
from store.formats.archives.docker_manifest import LayerSource
from store.formats.image.deterministic import deterministic_manifest
from store.formats.image.manifests import Link, Role
from store.formats.image.media_types import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from store.importing.needed_files import still_needed
from store.model.contents import ContentState, DiffState
from store.model.digests import Descriptor, DiffID, Digest
from store.workspace.soundness import mark_lost

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore
    from store.db.types import ContentKey
    from store.formats.archives.claims import Graph
    from store.formats.image.config import ImageConfig
    from store.formats.image.manifests import Document
    from store.importing.archive import ReadArchive
    from store.importing.staging import Staged
    from store.model.digests import ImageID
    from store.model.limits import Limits
    from store.workspace.operations import Operation


_NO_DOUBTS: Final[Mapping[Any, DiffState]] = MappingProxyType({})

_MANIFEST_BATCH: Final = 500
"""Number of manifests in memory at once: an archive may hold thousands of images."""


@final
class Placement:
    """Moves one archive's files into place, and inserts the archive's rows, in one transaction.

    Args:
        connection: An open write transaction.
        blobs: Receives the files.
        operation: The operation of the import.
        limits: Say how large a document in the database may be.
        now: The time of the import.

    Attributes:
        new_images: Images that the store did not have.
        new_layers: Layers that the store did not have.
        new_bytes: Size of the files that were added, in bytes.
        changed: Whether anything in the store changed.
        stated_types: The media type that the archive states for each manifest that does not state
            one itself, by the manifest's row number.
    """

    def __init__(
        self,
        connection: Connection,
        blobs: BlobStore,
        operation: Operation,
        *,
        limits: Limits,
        now: datetime,
    ) -> None:
        self._connection = connection
        self._blobs = blobs
        self._operation = operation
        self._limits = limits
        self._now = now
        self._diffs: dict[DiffID, tuple[ContentKey, int]] = {}
        self._absent: set[DiffID] = set()
        self._added: list[ContentKey] = []
        self._images: dict[ImageID, tuple[ContentKey, ImageConfig]] = {}
        self.new_images = 0
        self.new_layers = 0
        self.new_bytes = 0
        self.changed = False
        self.stated_types: dict[ContentKey, str] = {}

    # --- files ------------------------------------------------------------------------------------

    def move_files(self, archive: ReadArchive) -> None:
        """Move the staged files that are still needed to their final paths, and insert their rows.

        If another process has published the same blob in the meantime, the staged file stays in the
        operation's folder. The file is deleted with the folder.

        Raises:
            Unavailable: A file cannot be moved.
        """
        mark_lost(self._connection, self._blobs, archive.digests())
        layers = still_needed(self._connection, archive)
        names = {id(one): (one, as_layer) for one, as_layer in layers}
        fresh = [one for one, _ in names.values()]
        files = [(one.path, one.stored.digest) for one in fresh]
        files += [
            (path, digest)
            for one in fresh
            if one.codec is None
            for digest, path in one.aliases.items()
        ]
        if files:
            self._operation.announce(digest for _, digest in files)
            self._blobs.publish((path, self._blobs.location(digest)) for path, digest in files)
        self._rows(list(names.values()))

    def _rows(self, needed: Sequence[tuple[Staged, bool]]) -> None:
        blobs: dict[Digest, int] = {}
        decoding: list[tuple[Digest, Staged, str]] = []
        for staged, as_layer in needed:
            blobs[staged.stored.digest] = staged.stored.size_bytes
            if staged.codec is None:
                blobs.update(dict.fromkeys(staged.aliases, staged.diff.size_bytes))
            elif as_layer or staged.is_ours:
                decoding += [
                    (digest, staged, staged.codec.value)
                    for digest in (staged.diff.digest, *staged.aliases)
                ]
            self.new_layers += as_layer or not staged.is_checked
            self.new_bytes += staged.stored.size_bytes
            self.changed = True
        stored = content.put_blobs(self._connection, blobs, self._now)
        decoded, damaged = content.ensure_decoded(
            self._connection, {digest: staged.diff.size_bytes for digest, staged, _ in decoding}
        )
        damaged += encodings.drop_damaged(self._connection, list(decoded.values()))
        condemned.condemn(self._connection, damaged, self._now)
        encodings.put_encodings(
            self._connection,
            [
                encodings.NewEncoding(
                    decoded[digest],
                    stored[staged.stored.digest],
                    codec,
                    staged.seekable,
                    ours=staged.is_ours,
                    # Staging decodes a foreign layer with the decoder of the readers.
                    checked=True,
                )
                for digest, staged, codec in decoding
            ],
        )
        plain = {
            digest
            for staged, _ in needed
            if staged.codec is None
            for digest in (staged.stored.digest, *staged.aliases)
        }
        self._added += [*decoded.values(), *(stored[digest] for digest in plain)]

    def put_documents(self, documents: Mapping[Digest, bytes]) -> dict[Digest, ContentKey]:
        """Store small documents in the database, and large documents as blobs.

        Returns:
            The row number of each document, by digest.
        """
        keys = put_documents(
            self._connection,
            {
                digest: data
                for digest, data in documents.items()
                if len(data) <= self._limits.inline_bytes
            },
        )
        for digest, data in documents.items():
            if digest not in keys:
                mark_lost(self._connection, self._blobs, (digest,))
                if not content.has_sound_file(self._connection, digest):
                    staged = self._operation.stage(data)
                    self._operation.announce((digest,))
                    self._blobs.publish(((staged, self._blobs.location(digest)),))
                keys[digest] = content.put_blob(self._connection, digest, len(data), self._now)
        return keys

    # --- images -----------------------------------------------------------------------------------

    def find_diffs(
        self,
        wanted: Iterable[DiffID],
        foreign: Mapping[DiffID, Sequence[Link]],
        doubtful: Collection[DiffID] = (),
    ) -> None:
        """Look up every diff that images rely on. Call this before rows refer to the diffs.

        Args:
            wanted: The diff IDs of all images.
            foreign: Links to layers that have a download address and no bytes, by diff ID.
            doubtful: Diffs of images whose layers were not decoded, or are other layers. They may
                be absent.

        Raises:
            ContentMissing: A diff was removed from the store, which leases should prevent.
        """
        digests = [diff.digest for diff in wanted]
        found = content.find(self._connection, digests)
        for digest in digests:
            diff, known = DiffID(digest), found.get(digest)
            if known is not None and known.state is ContentState.PRESENT:
                self._diffs[diff] = (known.key, known.size_bytes or 0)
            elif diff in foreign or diff in doubtful:
                self._diffs[diff] = (
                    content.ensure(self._connection, digest, None, ContentState.ABSENT),
                    0,
                )
                self._absent.add(diff)
            elif known is not None and foreign_layers.is_foreign(self._connection, known.key):
                self._diffs[diff] = (known.key, 0)
                self._absent.add(diff)
            else:
                raise ContentMissing(
                    f"layer {digest} was removed from the store during the import",
                    digest=digest,
                    hint="import the archive again",
                )

    def add_images(
        self, configs: Iterable[ImageConfig], doubtful: Mapping[ImageID, DiffState] = _NO_DOUBTS
    ) -> dict[ImageID, ContentKey]:
        """Insert the images that are new; mark images whose layers are now complete as verified.

        Args:
            configs: The configs of all images.
            doubtful: The state of each image that only manifests with undecoded or wrong layers
                describe.

        Returns:
            The row number of each image.
        """
        wanted = {config.image_id: config for config in configs}
        keys = self.put_documents(
            {image_id.digest: config.data for image_id, config in wanted.items()}
        )
        tops = layers.add_chains(
            self._connection,
            [
                [(diff, self._diffs[diff][0]) for diff in config.diff_ids]
                for config in wanted.values()
            ],
        )
        new = {
            keys[config.image_id.digest]: images.NewImage.of(
                config,
                top,
                verified=config.image_id not in doubtful
                and self._absent.isdisjoint(config.diff_ids),
            )
            for config, top in zip(wanted.values(), tops, strict=True)
        }
        made = images.add(self._connection, new)
        self.new_images += len(made)
        self.changed |= bool(made)
        states = {keys[image_id.digest]: state for image_id, state in doubtful.items()}
        verification.set_diff_states(
            self._connection, {key: state for key, state in states.items() if key in made}
        )
        self.changed |= verification.mark_verified(
            self._connection, [key for key, one in new.items() if one.verified]
        )
        self.changed |= verification.mark_verified(
            self._connection, verification.completed_by(self._connection, self._added)
        )
        self._images = {
            image_id: (keys[image_id.digest], config) for image_id, config in wanted.items()
        }
        return {image_id: key for image_id, (key, _) in self._images.items()}

    def add_links(self, links: Mapping[tuple[ImageID, DiffID], Sequence[Link]]) -> None:
        """Record the download addresses of layers that manifests give.

        Args:
            links: Links with URLs, by the image whose manifest has them, and diff ID.
        """
        for (image_id, diff), some in links.items():
            for link in some:
                source = LayerSource(
                    link.target.media_type,
                    link.target.size_bytes,
                    str(link.digest),
                    tuple(link.urls),
                )
                self._foreign(image_id, diff, source.encode())

    def add_sources(self, image_id: ImageID, sources: Mapping[DiffID, bytes]) -> None:
        """Record the download addresses of an image's layers that ``manifest.json`` gives.

        Args:
            image_id: The image whose entry gives the addresses.
            sources: Descriptors with URLs, as JSON bytes, by diff ID.
        """
        own = self._images[image_id][1].diff_ids
        for diff, descriptor in sources.items():
            if diff in own:
                self._foreign(image_id, diff, descriptor)

    def _foreign(self, image_id: ImageID, diff: DiffID, descriptor: bytes) -> None:
        self.changed |= foreign_layers.put_foreign_source(
            self._connection, self._images[image_id][0], self._diffs[diff][0], descriptor
        )

    def set_parent(self, child: ImageID, parent: ImageID) -> None:
        """Record the image that ``child`` was built on."""
        self.changed |= images.set_parent(
            self._connection, self._images[child][0], self._images[parent][0]
        )

    # --- manifests --------------------------------------------------------------------------------

    def add_own_manifests(self, image_ids: Iterable[ImageID]) -> dict[ImageID, ContentKey]:
        """Insert the deterministic manifest of each image, unless the store has it already.

        Args:
            image_ids: Images that `add_images` has inserted.

        Returns:
            The row number of each image's manifest.
        """
        found: dict[ImageID, ContentKey] = {}
        for some in batches(list(image_ids), _MANIFEST_BATCH):
            documents: dict[ImageID, bytes] = {}
            for image_id in some:
                config = self._images[image_id][1]
                documents[image_id] = deterministic_manifest(
                    config, [self._diffs[diff][1] for diff in config.diff_ids]
                )
            digests = {image_id: Digest.of(data) for image_id, data in documents.items()}
            keys = self.put_documents(
                {digests[image_id]: data for image_id, data in documents.items()}
            )
            made = {image_id: keys[digest] for image_id, digest in digests.items()}
            manifests.add(
                self._connection,
                [self._own_manifest(image_id, key) for image_id, key in made.items()],
            )
            found.update(made)
        return found

    def _own_manifest(self, image_id: ImageID, key: ContentKey) -> manifests.NewManifest:
        image_key, config = self._images[image_id]
        edges = [
            manifests.Edge(
                Link(Role.CONFIG, 0, Descriptor(OCI_CONFIG, image_id.digest, len(config.data))),
                image_key,
            )
        ]
        for position, diff in enumerate(config.diff_ids):
            diff_key, size = self._diffs[diff]
            edges.append(
                manifests.Edge(
                    Link(Role.LAYER, position, Descriptor(OCI_LAYER, diff.digest, size)), diff_key
                )
            )
        # If the same bytes arrive in a layout, they get the same artifact type: the media type of
        # the config.
        return manifests.NewManifest(
            key,
            "manifest",
            OCI_MANIFEST,
            OCI_CONFIG,
            image_key,
            None,
            edges,
            verified=self._absent.isdisjoint(config.diff_ids),
        )

    def add_documents(
        self, graph: Graph, doubtful: Mapping[Digest, DiffState] = _NO_DOUBTS
    ) -> dict[Digest, ContentKey]:
        """Insert an archive's manifests and indexes, with their links.

        Args:
            graph: The manifests and indexes.
            doubtful: The state of each manifest with undecoded or wrong layers, by digest.

        Returns:
            The row number of each document, by digest.

        Raises:
            DigestMismatch: The size in a descriptor is wrong.
        """
        keys = self.put_documents(
            {digest: document.data for digest, document in graph.documents.items()}
        )
        new = []
        for digest, document in graph.documents.items():
            config = graph.configs.get(digest)
            image = None if config is None else self._images[config.image_id][0]
            subject = (
                None if document.subject is None else self._target(document.subject, str(digest))
            )
            edges = [
                manifests.Edge(link, self._target(link.target, str(digest)))
                for link in document.links
            ]
            new.append(
                manifests.NewManifest(
                    keys[digest],
                    document.kind.value,
                    document.media_type,
                    document.effective_artifact_type,
                    image,
                    subject,
                    edges,
                    document.annotations,
                    verified=config is not None
                    and digest not in doubtful
                    and self._has_layers(document),
                )
            )
            if not document.states_media_type:
                self.stated_types[keys[digest]] = document.media_type
        self.changed |= bool(manifests.add(self._connection, new))
        verification.set_manifest_states(
            self._connection,
            {
                keys[digest]: state
                for digest, state in doubtful.items()
                if state is DiffState.MISMATCH
            },
        )
        return keys

    def _has_layers(self, document: Document) -> bool:
        """Return whether the layers of an image were read, and not only their addresses."""
        foreign = {link.digest for link in document.layers if link.urls}
        return foreign <= content.present(self._connection, foreign) if foreign else True

    def _target(self, target: Descriptor, where: str) -> ContentKey:
        known = content.find(self._connection, (target.digest,)).get(target.digest)
        if known is not None:
            if known.size_bytes is not None and known.size_bytes != target.size_bytes:
                raise DigestMismatch(
                    f"{where}: size of {target.digest}",
                    want=target.size_bytes,
                    got=known.size_bytes,
                    hint="save the image again: a descriptor in the archive states a wrong size",
                )
            return known.key
        # The size that the descriptor states is only a claim. It stays in the manifest.
        return content.ensure(self._connection, target.digest, None, ContentState.ABSENT)
