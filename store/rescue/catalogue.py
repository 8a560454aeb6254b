"""The rows of the new catalogue: images and manifests, then files, and then names."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, final

from store.catalog import (
    content,
    encodings,
    foreign_layers,
    images,
    layers,
    manifests,
    serving,
)
from store.catalog.checking import marks, rescued, verification
from store.formats.image.manifests import Role
from store.model.contents import Codec, ContentState, DiffState
from store.model.references import Reference
from store.rescue import graph as graphs
from store.rescue.report import Loss, LossKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.db.types import ContentKey
    from store.formats.image.config import ImageConfig
    from store.model.digests import Digest
    from store.rescue.files import StoredFile
    from store.rescue.graph import Graph
    from store.rescue.recorded import Recorded

OPERATION: Final = "rescue"

_STRONGEST: Final = (DiffState.VERIFIED, DiffState.MISMATCH, DiffState.UNVERIFIED)
"""An image has the first of these states that one of its manifests has."""

_FILES: Final = 500
"""How many files are inserted at once."""


@final
@dataclass(slots=True)
class Builder:
    """A writer of the new catalogue.

    Attributes:
        connection: A write unit of the new catalogue, which has the documents.
        recorded: What the document log says.
        graph: What the new catalogue will hold.
        now: The time of the rescue.
        read_file: Reads configs that a client has pushed as blobs.
        losses: What was found to be lost.
        algorithms: The algorithms of the digests of layers.
        files: The number of files that documents name.
        unknown_files: The number of other files.
        unknown_bytes: Their size.
    """

    connection: Connection
    recorded: Recorded
    graph: Graph
    now: datetime
    read_file: graphs.ReadFile = graphs.no_file
    losses: list[Loss] = field(default_factory=list)
    algorithms: set[str] = field(default_factory=set)
    files: int = 0
    unknown_files: int = 0
    unknown_bytes: int = 0

    # A store may have millions of layers, so what is kept of them is row numbers.
    _keys: dict[Digest, ContentKey] = field(default_factory=dict)
    """The manifests, all digests that they name, and the layers of images."""

    _images: dict[Digest, ContentKey] = field(default_factory=dict)
    _chains: dict[ContentKey, tuple[ContentKey, ...]] = field(default_factory=dict)
    """The layers of each image, decoded."""

    _layers: dict[ContentKey, tuple[ContentKey, tuple[ContentKey, ...]]] = field(
        default_factory=dict
    )
    """The image of each manifest, and the layers as the manifest names them."""

    _served: dict[ContentKey, tuple[ContentKey, ...]] = field(default_factory=dict)
    """The blobs that a repository serves with each manifest."""

    _diffs: set[ContentKey] = field(default_factory=set)
    """The layers of all images."""

    _decoded: dict[ContentKey, tuple[ContentKey, ...]] = field(default_factory=dict)
    """The layers that each file with a codec decodes to."""

    _present: set[ContentKey] = field(default_factory=set)
    """The layers that can be read."""

    @property
    def image_count(self) -> int:
        """The number of images."""
        return len(self._images)

    @property
    def layer_count(self) -> int:
        """The number of different layers that can be read."""
        return len(self._present)

    # --- images and manifests ---------------------------------------------------------------------

    def add_manifests(self, on_read: Callable[[int], None]) -> None:
        """Insert the manifests and indexes with their images; then parents and addresses.

        Args:
            on_read: Called with the size in bytes of manifests that were read.
        """
        read: set[Digest] = set()
        for some in graphs.described(
            self.connection, self.recorded, self.graph.alive, self.read_file
        ):
            self._add_manifests(some)
            on_read(sum(len(one.document.data) for one in some))
            read.update(one.document.digest for one in some)
        # Older versions have accepted documents that cannot be parsed.
        for digest in [one for one in self.graph.alive if one not in read]:
            del self.graph.alive[digest]
            self.graph.missing[digest] = None
        self._keys |= content.ensure_all(
            self.connection, dict.fromkeys(self.graph.missing), ContentState.ABSENT
        )
        images.set_parents(
            self.connection,
            {
                self._images[child]: self._images[parent]
                for child, parent in self.recorded.parents.items()
                if child in self._images and parent in self._images and child != parent
            },
        )
        for image, layer, descriptor in self.recorded.sources:
            if image in self._images and layer in self._keys:
                foreign_layers.put_foreign_source(
                    self.connection, self._images[image], self._keys[layer], descriptor.encode()
                )
        for digest in self.graph.missing:
            self.losses.append(Loss(LossKind.MANIFEST, str(digest), "its bytes are lost"))

    def _add_manifests(self, described: Sequence[graphs.Described]) -> None:
        self._add_content(described)
        self._add_images([one.config for one in described if one.config is not None])
        new = []
        for one in described:
            document, image = one.document, None
            key = self._keys[document.digest]
            if one.config is not None:
                image = self._images[one.config.image_id.digest]
                listed = tuple(self._keys[one.digest] for one in document.layers)
                # Usually the files are the layers.
                chain = self._chains[image]
                self._layers[key] = image, chain if listed == chain else listed
            elif one.is_config_lost:
                reason = "the config of its image is lost"
                self.losses.append(Loss(LossKind.IMAGE, str(document.digest), reason))
            new.append(
                manifests.NewManifest(
                    key,
                    document.kind.value,
                    self.recorded.manifests[document.digest],
                    document.effective_artifact_type,
                    image,
                    None if document.subject is None else self._keys[document.subject.digest],
                    [manifests.Edge(link, self._keys[link.digest]) for link in document.links],
                    document.annotations,
                )
            )
            # A manifest can list any digest. So manifests that an index lists, and layers that can
            # be downloaded elsewhere, count only if the repository is known to have held them.
            self._served[key] = tuple(
                self._keys[link.digest]
                for link in document.links
                if link.role is not Role.CHILD and not link.urls
            )
        manifests.add(self.connection, new)

    def _add_content(self, described: Sequence[graphs.Described]) -> None:
        named: dict[Digest, None] = {}
        for one in described:
            named[one.document.digest] = None
            named.update((link.digest, None) for link in one.document.links)
            if one.document.subject is not None:
                named[one.document.subject.digest] = None
            if one.config is not None:
                named.update((diff.digest, None) for diff in one.config.diff_ids)
        fresh = {digest: None for digest in named if digest not in self._keys}
        self._keys |= content.ensure_all(self.connection, fresh, ContentState.ABSENT)

    def _add_images(self, configs: Sequence[ImageConfig]) -> None:
        new = {
            config.image_id.digest: config
            for config in configs
            if config.image_id.digest not in self._images
        }
        chains = [
            [(diff, self._keys[diff.digest]) for diff in config.diff_ids] for config in new.values()
        ]
        tops = layers.add_chains(self.connection, chains)
        rows = {}
        for config, top, chain in zip(new.values(), tops, chains, strict=True):
            key = self._keys[config.image_id.digest]
            self._images[config.image_id.digest] = key
            self._chains[key] = tuple(diff_key for _, diff_key in chain)
            self._diffs.update(self._chains[key])
            self.algorithms.update(diff.digest.algorithm for diff, _ in chain)
            rows[key] = images.NewImage.of(config, top, verified=False)
        images.add(self.connection, rows)

    # --- files ------------------------------------------------------------------------------------

    def add_files(self, files: Iterable[StoredFile]) -> None:
        """Insert the files that documents name, and the layers that they decode to.

        Then it is known which layers manifests and images have.

        Args:
            files: All files among the blobs.
        """
        left = iter(files)
        while some := list(islice(left, _FILES)):
            self._add_files([file for file in some if self._is_needed(file)])
        self._add_states()
        self._note_lost_layers()

    def _is_needed(self, file: StoredFile) -> bool:
        if file.digest in self._keys or self._layers_of(file):
            self.files += 1
            return True
        self.unknown_files += 1
        self.unknown_bytes += file.size_bytes
        return False

    def _layers_of(self, file: StoredFile) -> dict[Digest, ContentKey]:
        """Return the layers of images that a file decodes to."""
        found = {digest: self._keys.get(digest) for digest in file.decoded}
        return {
            digest: key for digest, key in found.items() if key is not None and key in self._diffs
        }

    def _add_files(self, files: Sequence[StoredFile]) -> None:
        sound = [file for file in files if file.is_sound]
        bad = [file for file in files if not file.is_sound]
        sizes = {file.digest: file.size_bytes for file in sound}
        # A layer that is decoded from another file does not need its damaged file.
        sizes |= {
            file.digest: file.size_bytes
            for file in bad
            if self._keys.get(file.digest) not in self._present
        }
        keys = content.put_blobs(self.connection, sizes, self.now)
        for file in bad:
            if file.is_readable and file.digest in keys:
                marks.mark_damaged(self.connection, file.digest)
            reason = "its bytes are wrong" if file.is_readable else "it cannot be read"
            self.losses.append(Loss(LossKind.FILE, str(file.digest), reason))
        decoded: dict[Digest, int] = {}
        new = []
        for file in sound:
            key, diffs = keys[file.digest], self._layers_of(file)
            if file.codec is not Codec.IDENTITY:
                self._decoded[key] = tuple(diffs.values())
            if key in self._diffs:
                self._present.add(key)
            self._present.update(diffs.values())
            decoded.update(dict.fromkeys(diffs, file.decoded_bytes))
            # No manifest names what this store has encoded, and all of it was just decoded, in both
            # ways if it has a seek table.
            ours = file.codec is Codec.ZSTD and file.digest not in self._keys
            new += [
                encodings.NewEncoding(
                    diff, key, file.codec.value, file.seekable, ours=ours, checked=True
                )
                for digest, diff in diffs.items()
                if digest != file.digest
            ]
        content.ensure_decoded(self.connection, decoded)
        encodings.put_encodings(self.connection, new)

    def _add_states(self) -> None:
        """Record whether the layers of each manifest are those of its image."""
        of_manifests: dict[ContentKey, DiffState] = {}
        of_images: dict[ContentKey, DiffState] = {}
        for key, (image, listed) in self._layers.items():
            state = self._state(listed, self._chains[image])
            of_manifests[key] = state
            of_images[image] = min(state, of_images.get(image, state), key=_STRONGEST.index)
        verification.set_manifest_states(self.connection, of_manifests)
        verification.set_diff_states(self.connection, of_images)

    def _state(self, listed: Sequence[ContentKey], diffs: Sequence[ContentKey]) -> DiffState:
        state = DiffState.VERIFIED
        for layer, diff in zip(listed, diffs, strict=True):
            if layer == diff and diff in self._present:
                continue
            if layer not in self._decoded:
                state = DiffState.UNVERIFIED
            elif diff not in self._decoded[layer]:
                return DiffState.MISMATCH
        return state

    def _note_lost_layers(self) -> None:
        elsewhere: dict[ContentKey, set[ContentKey]] = {}
        for image, layer, _ in self.recorded.sources:
            if image in self._images and layer in self._keys:
                elsewhere.setdefault(self._images[image], set()).add(self._keys[layer])
        for digest, key in self._images.items():
            chain, known = self._chains[key], elsewhere.get(key, ())
            gone = [diff for diff in chain if diff not in self._present and diff not in known]
            if gone:
                names = content.digests_of(self.connection, gone[:3])
                texts = ", ".join(str(names[diff]) for diff in gone[:3])
                reason = f"{len(gone)} of {len(chain)} layers are lost: {texts}"
                self.losses.append(Loss(LossKind.IMAGE, str(digest), reason))

    # --- names ------------------------------------------------------------------------------------

    def add_names(self) -> tuple[int, int]:
        """Insert tags, what repositories serve, and manifests without a name.

        Returns:
            The number of tags and the number of repositories.
        """
        # There may be very many tags, so they are not copied.
        tags = self.recorded.tags
        for name, digest in [
            (name, digest) for name, (digest, _) in tags.items() if digest not in self.graph.alive
        ]:
            del tags[name]
            reason = f"its manifest {digest} is lost"
            self.losses.append(Loss(LossKind.TAG, name.familiar, reason))
        tagged: dict[str, list[ContentKey]] = {}
        for name, (digest, _) in tags.items():
            tagged.setdefault(str(name.repository), []).append(self._keys[digest])
        known = (
            name
            for name, held in self.recorded.held.items()
            if any(digest in self._keys for digest in held)
        )
        names = [Reference.parse(f"{name}:x").repository for name in {*known, *tagged}]
        found = serving.ensure_repositories(self.connection, names)
        repositories = {str(name): key for name, key in found.items()}
        rescued.add_tags(self.connection, tags, self._keys, repositories, operation=OPERATION)
        rescued.add_held(
            self.connection,
            (
                (key, target, media_type)
                for name, key in repositories.items()
                for target, media_type in self._held(name, tagged.get(name, ())).items()
            ),
        )
        named = {digest for digest, _ in tags.values()}
        kept = {
            self._keys[digest]: at
            for digest, at in self.recorded.kept.items()
            if digest in self.graph.alive and digest not in named
        }
        for digest in self.graph.loose:
            kept.setdefault(self._keys[digest], self.now)
        rescued.add_kept(self.connection, kept)
        return len(tags), len(repositories)

    def _held(self, repository: str, tagged: Iterable[ContentKey]) -> dict[ContentKey, str | None]:
        """Return what a repository serves: manifests, and the blobs that these list."""
        held = {
            self._keys[digest]: media_type
            for digest, media_type in self.recorded.held.get(repository, {}).items()
            if digest in self._keys
        }
        for key in tagged:
            held.setdefault(key, None)
        for key in list(held):
            for target in self._served.get(key, ()):
                held.setdefault(target, None)
        return held
