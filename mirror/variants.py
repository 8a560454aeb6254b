"""Variants: images with their layers in another encoding, ``TAG-zstd`` and ``TAG-gzip``.

The first request for a variant creates its manifest. From then on the variant is an ordinary tag,
whose manifest names the original. The variant follows the original: when ``TAG`` has moved, the
next request creates a new variant, and when ``TAG`` is removed, the variant is removed as well
(`store.names.tagging`). If a client has set the variant's tag, the tag is never replaced: the
store's reference log records which operation set a tag last.

The list of tags shows two kinds of variants: variants that exist, and variants that need only a
manifest because the store already holds their layers in that encoding. (The store keeps
uncompressed layers as zstd.) Any other variant is published when a client requests it by name. If
all variants were listed, a client that pulls every tag of a repository would have the whole
repository compressed.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from exporter import Format, Layers, SaveOptions, open_save
from exporter.selection.reencoding import ORIGINAL
from mirror.shared_times import SharedTimes
from mirror.variant_budget import Allowance
from store.errors import NotFound, ReferenceNotFound
from store.model.limits import MIB
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.selection.graph import SavedGraph
    from store import Store
    from store.formats.image.manifests import Document
    from store.model.digests import Digest, ImageID
    from store.model.references import Repository
    from store.registry.registry import Registry, ServedManifest

_PIECE_BYTES: Final = MIB
_MAX_TAG_CHARACTERS: Final = 128
"""The length of the longest tag (distribution-spec, "Pulling manifests")."""


@final
class Variants:
    """The variants that one registry publishes. Threads may share an instance.

    Args:
        store: The store that holds the originals.
        registry: The registry's view of that store.
        encodings: The encodings to offer, values of `exporter.Layers`.
        times: The table that holds the budgets of all processes; None for budgets of this process
            alone.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        encodings: Iterable[str] = (),
        times: SharedTimes | None = None,
    ) -> None:
        self._times = times or SharedTimes()
        self._store = store
        self._registry = registry
        self._encodings = tuple(map(Layers, encodings))

    def original(self, tag: str) -> tuple[str, Layers] | None:
        """Return the original's tag and the encoding that a variant's tag names.

        Args:
            tag: Any tag, of a variant or not.

        Returns:
            The tag of the original and the variant's encoding; None if the tag is not the name of
            an offered variant.
        """
        for encoding in self._encodings:
            suffix = f"-{encoding}"
            if tag.endswith(suffix) and len(tag) > len(suffix):
                base = tag.removesuffix(suffix)
                # A variant has no variants.
                return None if self._is_variant(base) else (base, encoding)
        return None

    def allowance(self, network: str) -> Allowance:
        """Return the budget of variants for the anonymous clients of a network.

        Args:
            network: The network, as `mirror.access.throttle.client_network` returns it.
        """
        return Allowance(self._times, time.monotonic, network)

    def _is_variant(self, tag: str) -> bool:
        return any(tag.endswith(f"-{encoding}") for encoding in self._encodings)

    def tags(
        self, repository: Repository, *, after: str = "", limit: int | None = None
    ) -> list[str]:
        """Return the tags of a repository and the tags of its stored variants, in byte order.

        Args:
            repository: The repository whose tags to list.
            after: The tag to start after; empty for the beginning.
            limit: How many tags to return at most; None for all.

        Raises:
            RepositoryNotFound: There is no such repository.
        """
        found = self._registry.tags(repository, after=after, limit=limit)
        if not self._encodings or self._store.read_only:
            return found
        # A variant sorts after its original. If ``after`` lies between the two, the original is a
        # prefix of ``after``.
        originals = [
            tag
            for tag in (
                *found,
                *(after[:length] for length in range(1, min(len(after), _MAX_TAG_CHARACTERS) + 1)),
            )
            if not self._is_variant(tag)
        ]
        listed = set(found)
        for encoding in self._encodings:
            stored = self._registry.encoded_tags(repository, originals, encoding)
            listed.update(
                name
                for tag in stored
                if (name := f"{tag}-{encoding}") > after and len(name) <= _MAX_TAG_CHARACTERS
            )
        return sorted(listed)[:limit]

    def is_outdated(self, repository: Repository, tag: str, encoding: Layers) -> bool:
        """Return whether `publish` would create or update the variant of a tag.

        Args:
            repository: The repository of the original and the variant.
            tag: The original's tag.
            encoding: The encoding of the variant's layers.
        """
        return self._outdated(repository, tag, encoding) is not None

    def publish(
        self,
        repository: Repository,
        tag: str,
        encoding: Layers,
        allowance: Allowance | None = None,
    ) -> tuple[ImageID, ...]:
        """Create or update the variant ``TAG-ENCODING`` of a tag, with its layers in ``encoding``.

        Nothing happens if the variant is up to date or a client has set its tag. Nothing happens
        either if the original does not exist or the store is read-only.

        Args:
            repository: The repository of the original and the variant.
            tag: The original's tag.
            encoding: The encoding of the variant's layers.
            allowance: The budget from which to take the layers that have to be compressed; None if
                the client may have any number of layers compressed.

        Returns:
            The IDs of the images whose layers have to be verified.

        Raises:
            BudgetSpent: The budget is too small now.
            IncompleteImage: The repository does not hold all blobs of the image.
            DiffMismatch: The layers differ from the diffs that the image's config names.
            DamagedContent: Stored bytes no longer have their digest.
            ContentMissing: The file of a stored blob is missing.
        """
        original = self._outdated(repository, tag, encoding)
        if original is None:
            return ()
        name = f"{tag}-{encoding}"
        if allowance is not None and not self._registry.encoded_tags(repository, [tag], encoding):
            # Do not even plan: a client could ask again and again.
            allowance.require()
        options = SaveOptions(Format.OCI, sparse=True, layers=encoding)
        # Save by digest, because the tag may move meanwhile.
        with open_save(
            self._store,
            [str(Reference(repository, None, original.digest))],
            options=options,
            record=False,
            before_encoding=None if allowance is None else allowance.spend,
        ) as export:
            assert export.graph is not None  # noqa: S101 - the format has one
            try:
                return self._push(
                    Reference(repository, tag, original.digest), name, encoding, export.graph
                )
            except ReferenceNotFound:
                # During the compression, the original's tag was moved or removed, or a client has
                # set the variant's tag.
                return ()

    def _outdated(
        self, repository: Repository, tag: str, encoding: Layers
    ) -> ServedManifest | None:
        """Return the original if its variant is missing or out of date, else None."""
        if self._store.read_only:
            return None
        try:
            original = self._registry.manifest(repository, tag)
        except NotFound:
            return None
        name = f"{tag}-{encoding}"
        if self._registry.is_taken(repository, name):
            return None
        current = self._current(repository, name)
        if current is not None and str(original.digest) in (
            str(current.digest),
            _original_of(current),
        ):
            return None
        return original

    def _current(self, repository: Repository, name: str) -> ServedManifest | None:
        try:
            return self._registry.manifest(repository, name)
        except NotFound:
            return None

    def _push(
        self, original: Reference, name: str, encoding: Layers, graph: SavedGraph
    ) -> tuple[ImageID, ...]:
        """Push the blobs of a variant, then its manifests, then their index with the tag.

        Raises:
            ReferenceNotFound: The original's tag no longer names its manifest, or a client has set
                the variant's tag.
        """
        repository = original.repository
        for digest, (made, _) in graph.made.items():
            if isinstance(made, Path):
                self._upload(repository, digest, made)
        # Other images with these layers can reuse their encodings.
        self._registry.note_encodings(graph.encoded, encoding)
        self._registry.adopt(
            repository, [digest for digest in graph.sources if digest not in graph.documents]
        )
        root = graph.roots[0].digest
        unverified = [
            self._put(original, document, [name] if digest == root else [])
            for digest, document in graph.documents.items()
        ]
        return tuple(image for image in unverified if image is not None)

    def _put(self, original: Reference, document: Document, tags: list[str]) -> ImageID | None:
        pushed = self._registry.put_manifest(
            original.repository,
            document.data,
            media_type=document.media_type,
            digest=document.digest,
            tags=tags,
            offered_for=original,
        )
        return pushed.image_id

    def _upload(self, repository: Repository, digest: Digest, path: Path) -> None:
        with self._registry.uploads.once(repository) as upload, path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                upload.write(piece)
            upload.finish(digest)


def _original_of(manifest: ServedManifest) -> str | None:
    """Return the digest of the original that a variant's manifest names, or None."""
    document = json.loads(manifest.data)
    annotations = document.get("annotations") if isinstance(document, dict) else None
    found = annotations.get(ORIGINAL) if isinstance(annotations, dict) else None
    return found if isinstance(found, str) else None
