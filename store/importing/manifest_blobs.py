"""Stages the blobs that the manifests of an archive list: layers, configs and other blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from store.errors import DigestMismatch, MissingBlobs, StoreError, TooLarge
from store.formats.image.manifests import Role
from store.formats.tar.layer_check import fault_of
from store.importing.archive import LayerChecks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from store.formats.archives.claims import Graph
    from store.formats.archives.layout_documents import BlobPaths
    from store.formats.image.config import ImageConfig
    from store.formats.image.manifests import Document, Link
    from store.importing.archive import ArchiveInput, ReadArchive
    from store.importing.staging import Staged
    from store.model.digests import DiffID, Digest


@final
class ManifestBlobs:
    """Stages the blobs of an archive's manifests.

    Args:
        paths: Finds the path of a blob in the archive.
        source: The archive to read.
        archive: Receives the staged blobs and the links to foreign layers.
    """

    def __init__(self, paths: BlobPaths, source: ArchiveInput, archive: ReadArchive) -> None:
        self._paths = paths
        self._members = source.members
        self._stager = source.stager
        self._holdings = source.holdings
        self._room = source.room
        self._checks = source.checks
        self._archive = archive
        self._missing: list[tuple[str, str, Digest]] = []
        self._without_bytes: list[tuple[Document, Link, DiffID]] = []

    def stage(self, graph: Graph) -> None:
        """Stage every blob that the store does not have.

        Args:
            graph: The manifests and indexes, with the configs of images.

        Raises:
            DigestMismatch: The digest or size of a blob is wrong.
            MissingBlobs: Some blobs are neither in the archive nor in the store, and have no URL.
            InvalidInput: A blob cannot be read, or decodes to more than a limit allows.
        """
        layers = [
            (document, link, diff)
            for document in graph.documents.values()
            for link, diff in layers_of(document, graph.configs)
        ]
        others = [
            (document, link)
            for document in graph.documents.values()
            for link in others_of(document, graph.configs)
        ]
        held = self._holdings.layers((link.digest, diff) for _, link, diff in layers)
        lacking = [
            (document, link) for document, link, diff in layers if (link.digest, diff) not in held
        ]
        undecoded = self._undecoded(link.digest for _, link in lacking)
        self._prefetch(
            [(document, link) for document, link in lacking if link.digest not in undecoded]
        )
        for document, link, diff in layers:
            if link.urls:
                # Links of layers that the store has are recorded as well. Otherwise the result
                # would depend on the order of imports.
                place = graph.configs[document.digest].image_id, diff
                self._archive.sources[place] = (*self._archive.sources.get(place, ()), link)
            if (link.digest, diff) in held:
                continue
            if link.digest in undecoded:
                self._archive.undecoded.add(document.digest)
            else:
                self._layer(document, link, diff)
        self._keep_undecoded()
        held_blobs = self._holdings.blobs(link.digest for _, link in others)
        for digest in self._archive.blobs:
            # Another manifest's config is right about this layer.
            self._archive.others.pop(digest, None)
        here = {*held_blobs, *self._archive.blobs, *self._archive.others}
        others = [(document, link) for document, link in others if link.digest not in here]
        if self._room is not None:
            self._room.require(self._members, (), self._paths_of(others))
        for document, link in others:
            if link.digest not in self._archive.others:
                self._blob(document, link)
        if self._missing:
            raise MissingBlobs(self._missing)

    def _undecoded(self, digests: Iterable[Digest]) -> AbstractSet[Digest]:
        """Return the layers that the store has, and that need not be decoded now."""
        if self._checks is not LayerChecks.LATER:
            return frozenset()
        return self._holdings.blobs(digests)

    def _prefetch(self, wanted: list[tuple[Document, Link]]) -> None:
        """Begin to read the layers, the largest first.

        A gzip layer is decoded on one core, so several cores are busy only with several layers. If
        the largest layer were read last, only one core would be busy at the end.
        """
        by_size = sorted(wanted, key=lambda pair: pair[1].target.size_bytes, reverse=True)
        paths = self._paths_of(by_size)
        if self._room is not None:
            self._room.require(self._members, paths)
        self._members.prefetch(paths)

    def _paths_of(self, wanted: Iterable[tuple[Document, Link]]) -> list[str]:
        """Return the paths of the blobs that the archive has, each once."""
        paths = (self._path_or_none(document, link) for document, link in wanted)
        return list(dict.fromkeys(path for path in paths if path is not None))

    def _path_or_none(self, document: Document, link: Link) -> str | None:
        """Return a blob's path; None if it cannot be found. Reading the blob raises the error."""
        try:
            return self._paths.find_checked(link.target, _where(document, link))
        except StoreError:
            return None

    def _layer(self, document: Document, link: Link, diff: DiffID) -> None:
        where = _where(document, link)
        staged = self._archive.blobs.get(link.digest)
        if staged is None:
            path = self._paths.find_checked(link.target, where)
            if path is None and link.data is None:
                self._without_bytes.append((document, link, diff))
                return
            staged = (
                self._members.layer(path)
                if path is not None
                else self._stager.layer(
                    iter((link.data or b"",)), where, _ignore, algorithm=link.digest.algorithm
                )
            )
            _verify(staged, link, where)
        if not staged.is_checked:
            self._archive.others[link.digest] = staged
            self._archive.undecoded.add(document.digest)
            return
        wrong = self._mismatch(staged, diff)
        if wrong is None:
            self._archive.blobs[link.digest] = staged
            return
        # The blob is what the manifest says, and only the config is wrong about it. The other side
        # had it so: keep the bytes as they are, and do not let them stand for the diff.
        self._archive.others[link.digest] = staged.original or staged
        self._archive.mismatches.setdefault(
            document.digest, f"layer {link.position} ({link.digest}) {wrong}"
        )

    def _mismatch(self, staged: Staged, diff: DiffID) -> str | None:
        """Return how a layer differs from the layer of the config; None if it is that layer.

        Raises:
            TooLarge: The layer decodes to more than a limit allows.
        """
        if isinstance(staged.problem, TooLarge):
            raise staged.problem
        return fault_of(
            staged.problem,
            is_decoded=staged.is_decoded,
            got=staged.diff.digest,
            wanted=diff,
            is_wanted=staged.is_decoded and self._stager.has_diff(staged, diff.digest),
        )

    def _keep_undecoded(self) -> None:
        """Rely on the store for layers that are not in the archive.

        The store may have such a layer without knowing what it decodes to, for example after a
        push.
        """
        held = self._holdings.blobs({link.digest for _, link, _ in self._without_bytes})
        for document, link, diff in self._without_bytes:
            if link.digest in held:
                self._archive.undecoded.add(document.digest)
            else:
                self._note_missing_layer(document, link, diff)

    def _note_missing_layer(self, document: Document, link: Link, diff: DiffID) -> None:
        if link.urls:
            self._archive.foreign[diff] = (*self._archive.foreign.get(diff, ()), link)
        else:
            self._note_missing(document, link)

    def _note_missing(self, document: Document, link: Link) -> None:
        self._missing.append((str(document.digest), f"{link.role} {link.position}", link.digest))

    def _blob(self, document: Document, link: Link) -> None:
        where = _where(document, link)
        path = self._paths.find_checked(link.target, where)
        if path is not None:
            staged = self._members.blob(path)
        elif link.data is not None:
            staged = self._stager.blob(
                iter((link.data,) if link.data else ()),
                where,
                _ignore,
                algorithm=link.digest.algorithm,
            )
        elif link.urls:
            return
        else:
            self._note_missing(document, link)
            return
        _verify(staged, link, where)
        self._archive.others[link.digest] = staged


def layers_of(
    document: Document, configs: Mapping[Digest, ImageConfig]
) -> list[tuple[Link, DiffID]]:
    """Return the layers of a manifest with their diff IDs.

    Args:
        document: A manifest or index.
        configs: The config of each manifest that describes an image, by the manifest's digest.

    Returns:
        Pairs of link and diff ID, base first; empty for a document that does not describe an image.
    """
    config = configs.get(document.digest)
    return [] if config is None else list(zip(document.layers, config.diff_ids, strict=True))


def others_of(document: Document, configs: Mapping[Digest, ImageConfig]) -> list[Link]:
    """Return the links of a document, except its links to documents and to an image's layers.

    Args:
        document: A manifest or index.
        configs: The config of each manifest that describes an image, by the manifest's digest.
    """
    if document.digest in configs:
        return list(document.of_role(Role.BLOB))
    return [link for link in document.links if not link.is_document]


def _verify(staged: Staged, link: Link, where: str) -> None:
    received = staged.received.digest
    if received != link.digest:
        raise DigestMismatch(
            f"{where}: digest of the blob",
            want=link.digest,
            got=received,
            hint="save the image again: the blob is damaged, or has the name of a different blob",
        )


def _where(document: Document, link: Link) -> str:
    return f"{document.kind} {document.digest}, {link.role} {link.position}"


def _ignore(_size: int) -> None:
    """Do not report progress: the bytes are in memory already."""
