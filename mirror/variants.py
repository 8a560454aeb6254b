"""Images in other encodings than their own: ``TAG-zstd`` and ``TAG-gzip`` beside ``TAG``.

A variant's manifest is made when it is first asked for. From then on it is a tag like any other, of
a manifest that says which one it was made from. It follows its original: when ``TAG`` has moved
since, it is made anew, and when ``TAG`` goes, so does it (`store.names.tagging`). A tag of that
name that somebody has set is left alone: the store's log of references says who was the last.

Listed are variants that were made, and those that take no more than a manifest to make, because the
layers are stored so (plain ones are stored as zstd). Others have to be asked for once: were they
listed, who goes through all tags of a repository would have it compressed as a whole.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from exporter import Format, Layers, SaveOptions, open_save
from exporter.selection.reencoding import ORIGINAL
from store.errors import IncompleteImage, NotFound, ReferenceNotFound
from store.model.limits import MIB
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.selection.graph import SavedGraph
    from store import Store
    from store.formats.image.manifests import Document
    from store.model.contents import Sources
    from store.model.digests import Digest, ImageID
    from store.model.references import Repository
    from store.registry.registry import Registry, ServedManifest

_PIECE_BYTES: Final = MIB
_SHOWN: Final = 5
_TAG_CHARACTERS: Final = 128
"""Of the longest tag there is (distribution specification)."""


@final
class Variants:
    """The variants that one registry publishes; ``encodings`` are of `exporter.Layers`.

    Threads may share it.
    """

    def __init__(self, store: Store, registry: Registry, encodings: Iterable[str] = ()) -> None:
        self._store = store
        self._registry = registry
        self._encodings = tuple(map(Layers, encodings))

    def original(self, tag: str) -> tuple[str, Layers] | None:
        """The tag that ``tag`` would be a variant of, and its encoding.

        None when it is no name of a variant that is offered.
        """
        for encoding in self._encodings:
            suffix = f"-{encoding}"
            if tag.endswith(suffix) and len(tag) > len(suffix):
                base = tag.removesuffix(suffix)
                # No variants of variants.
                return None if self._is_variant(base) else (base, encoding)
        return None

    def _is_variant(self, tag: str) -> bool:
        return any(tag.endswith(f"-{encoding}") for encoding in self._encodings)

    def tags(
        self, repository: Repository, *, after: str = "", limit: int | None = None
    ) -> list[str]:
        """The tags of a repository behind ``after``, in byte order, and the variants that are stored. Raises RepositoryNotFound."""
        found = self._registry.tags(repository, after=after, limit=limit)
        if not self._encodings or self._store.read_only:
            return found
        # A variant stands behind its original. Where that itself stands before ``after``, it is a
        # beginning of it.
        originals = [
            tag
            for tag in (
                *found,
                *(after[:length] for length in range(1, min(len(after), _TAG_CHARACTERS) + 1)),
            )
            if not self._is_variant(tag)
        ]
        listed = set(found)
        for encoding in self._encodings:
            stored = self._registry.encoded_tags(repository, originals, encoding)
            listed.update(
                name
                for tag in stored
                if (name := f"{tag}-{encoding}") > after and len(name) <= _TAG_CHARACTERS
            )
        return sorted(listed)[:limit]

    def publish(self, repository: Repository, tag: str, encoding: Layers) -> tuple[ImageID, ...]:
        """Let ``TAG-ENCODING`` name the image that ``tag`` names, with its layers in that encoding.

        The images that are to be verified.

        Nothing happens when it does so already, when there is no such image, or when the name is
        taken by something else. Raises IncompleteImage, DiffMismatch, DamagedContent,
        ContentMissing.
        """
        if self._store.read_only:
            return ()
        try:
            original = self._registry.manifest(repository, tag)
        except NotFound:
            return ()
        name = f"{tag}-{encoding}"
        if self._registry.is_taken(repository, name):
            return ()
        current = self._current(repository, name)
        if current is not None and str(original.digest) in (
            str(current.digest),
            _made_from(current),
        ):
            return ()
        # Whoever may push could name, in an index or a config, what only others may read; a variant
        # would hand it to the repository.
        options = SaveOptions(Format.OCI, sparse=True, layers=encoding, within=repository)

        def approve(contents: Iterable[Sources]) -> None:
            strange = self._registry.unreadable(contents, lambda one: one == repository)
            if strange:
                listed = [str(digest) for digest in strange]
                raise IncompleteImage(
                    f"{len(listed)} thing(s) that it names are not in {repository}:"
                    f" {', '.join(listed[:_SHOWN])}",
                    missing=listed,
                )

        # By digest: the tag may move meanwhile.
        with open_save(
            self._store,
            [str(Reference(repository, None, original.digest))],
            options=options,
            record=False,
            approve=approve,
        ) as export:
            assert export.graph is not None  # noqa: S101 - the format has one
            try:
                return self._push(
                    Reference(repository, tag, original.digest), name, encoding, export.graph
                )
            except ReferenceNotFound:
                # To compress takes a while: the tag has moved meanwhile, or has gone, or somebody
                # has set the variant's.
                return ()

    def _current(self, repository: Repository, name: str) -> ServedManifest | None:
        try:
            return self._registry.manifest(repository, name)
        except NotFound:
            return None

    def _push(
        self, original: Reference, name: str, encoding: Layers, graph: SavedGraph
    ) -> tuple[ImageID, ...]:
        """As a client would: blobs, then manifests from the bottom up, the tag last.

        Raises ReferenceNotFound when ``original`` is none any more.
        """
        repository = original.repository
        for digest, (made, _) in graph.made.items():
            if isinstance(made, Path):
                self._upload(repository, digest, made)
        layers = {
            link.digest: diff
            for digest, config in graph.configs.items()
            for link, diff in zip(graph.documents[digest].layers, config.diff_ids, strict=True)
            if link.digest in graph.made
        }
        # Whichever image has one of these layers too finds it made.
        self._registry.note_encodings(layers, encoding)
        self._registry.adopt(
            repository, [digest for digest in graph.sources if digest not in graph.documents]
        )
        root = graph.roots[0].digest
        unseen = [
            self._put(original, document, [name] if digest == root else [])
            for digest, document in graph.documents.items()
        ]
        return tuple(image for image in unseen if image is not None)

    def _put(self, original: Reference, document: Document, tags: list[str]) -> ImageID | None:
        done = self._registry.put_manifest(
            original.repository,
            document.data,
            media_type=document.media_type,
            digest=document.digest,
            tags=tags,
            offered_for=original,
        )
        return done.image_id

    def _upload(self, repository: Repository, digest: Digest, path: Path) -> None:
        with self._registry.uploads.once(repository) as upload, path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                upload.write(piece)
            upload.finish(digest)


def _made_from(manifest: ServedManifest) -> str | None:
    """The digest of the manifest that a variant was made from.

    None when that was left as it was.
    """
    document = json.loads(manifest.data)
    annotations = document.get("annotations") if isinstance(document, dict) else None
    found = annotations.get(ORIGINAL) if isinstance(annotations, dict) else None
    return found if isinstance(found, str) else None
