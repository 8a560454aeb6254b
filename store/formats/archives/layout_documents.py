"""The documents of an archive: a finder of its blobs, and a reader of its manifests and indexes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, final

from store.errors import (
    DigestMismatch,
    InvalidArchive,
    StoreError,
    TooLarge,
    printable,
)
from store.formats.archives.claims import Graph
from store.formats.archives.faults import FAULTS, kept
from store.formats.image.described_image import NotAnImage, described_image, parse_config
from store.formats.image.graph_walk import bottom_up, levels
from store.formats.image.label_budget import LabelBudget
from store.formats.image.layout_names import INDEX
from store.formats.image.listed_types import wrong_types
from store.formats.image.manifests import Document
from store.model.digests import Descriptor, Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from store.formats.archives.claims import Root
    from store.formats.image.config import ImageConfig
    from store.formats.image.described_image import ParsedConfig
    from store.formats.image.manifests import Link
    from store.model.limits import Limits

_ELSEWHERE: Final = (
    "first import an archive that has this content, or save this archive again with all content"
)


class Files(Protocol):
    """Access to the files of an archive (see `store.importing.members.members.Members`)."""

    def exists(self, path: str) -> bool:
        """Whether the archive has a file or directory at ``path``."""

    def size(self, path: str) -> int:
        """Return the size of a file in bytes."""

    def document(self, path: str) -> bytes:
        """Return the bytes of a small file."""

    def names_in(self, folder: str = "") -> tuple[str, ...]:
        """Return the names in a folder, sorted by their bytes; a folder's ends with a slash."""


@final
@dataclass(frozen=True, slots=True)
class BlobPaths:
    """A finder of blobs in an archive. ``paths`` returns the possible paths of a blob."""

    files: Files
    paths: Callable[[Digest], tuple[str, ...]]

    def find(self, digest: Digest) -> str | None:
        """Return the path of a blob, or None if the archive does not have it.

        Raises:
            UnsafePath: A link leads out of the archive, or links form a loop.
        """
        return next((path for path in self.paths(digest) if self.files.exists(path)), None)

    def find_checked(self, target: Descriptor, where: str) -> str | None:
        """Return the path of a blob, or None if the archive does not have it.

        Args:
            target: The blob's descriptor.
            where: The document that contains the descriptor, for errors.

        Raises:
            DigestMismatch: The blob does not have the size in its descriptor.
            UnsafePath: A link leads out of the archive, or links form a loop.
        """
        path = self.find(target.digest)
        if path is not None and (size := self.files.size(path)) != target.size_bytes:
            raise DigestMismatch(
                f"{where}: size of {target.digest}",
                want=target.size_bytes,
                got=size,
                hint="copy the archive again: the blob is incomplete, or its descriptor is wrong",
            )
        return path

    def read(self, target: Descriptor, where: str) -> bytes | None:
        """Return the bytes of a small blob, or None if the archive does not have it.

        Args:
            target: The blob's descriptor.
            where: The document that contains the descriptor, for errors.

        Raises:
            DigestMismatch: The blob does not have the size or digest in its descriptor.
            TooLarge: The blob exceeds the ceiling for documents.
            UnsafePath: A link leads out of the archive, or links form a loop.
        """
        path = self.find_checked(target, where)
        if path is None:
            return None
        data = self.files.document(path)
        got = Digest.of(data, target.digest.algorithm)
        if got != target.digest:
            raise DigestMismatch(
                f"{where}: content of {printable(path)!r}",
                want=target.digest,
                got=got,
                hint="copy the archive again: the blob is damaged",
            )
        return data


def oci_blob_paths(files: Files) -> BlobPaths:
    """Return the finder of blobs in an OCI layout."""
    return BlobPaths(files, lambda digest: (f"blobs/{digest.algorithm}/{digest.hex}",))


def dir_blob_paths(files: Files) -> BlobPaths:
    """Return the finder of blobs in a ``dir:`` folder, where names are hexadecimal digests.

    The name of a manifest has a suffix. Since version 1.2 of the format, a name begins with the
    digest's algorithm if that is not sha256.
    """
    return BlobPaths(
        files,
        lambda digest: (
            digest.hex,
            f"{digest.hex}.manifest.json",
            f"{digest.algorithm}-{digest.hex}",
            f"{digest.algorithm}-{digest.hex}.manifest.json",
            str(digest),
        ),
    )


@final
class DocumentWalk:
    """A reader of an archive's documents that walks from the roots down.

    An error in one document does not end the walk: it becomes a fault of that document.

    Args:
        blobs: Finds the blobs of the archive.
        limits: Ceilings for the documents.
        stored: Returns the bytes of a document in the store; None if the store does not have it.
        labels: Counts the labels together with those of other documents; None if the archive has
            no other documents.
    """

    def __init__(
        self,
        blobs: BlobPaths,
        limits: Limits,
        stored: Callable[[Digest], bytes | None],
        labels: LabelBudget | None = None,
    ) -> None:
        self._blobs = blobs
        self._limits = limits
        self._stored = stored
        self._labels = labels or LabelBudget(limits)
        self._documents: dict[Digest, Document] = {}
        self._listed: dict[Digest, tuple[Link, str]] = {}
        self._parsed: dict[Digest, ParsedConfig] = {}
        self._config_bytes: dict[Digest, int] = {}
        self._unreadable: dict[Descriptor, StoreError] = {}
        self._stored_bytes = 0
        self._faults: dict[Digest, StoreError] = {}

    def graph(
        self,
        roots: tuple[Root, ...],
        links: Iterable[Link],
        faults: Mapping[Digest, StoreError] | None = None,
    ) -> Graph:
        """Return the documents at and below the links of ``index.json``.

        Args:
            roots: The roots of the graph.
            links: The links to the documents of the roots.
            faults: Errors of roots that are known already; None if there are none.

        Raises:
            TooLarge: The archive has more documents, or more levels of indexes, than the limits
                allow.
        """
        self._faults = dict(faults or {})
        top = tuple(link for link in links if link.digest not in self._faults)
        self._list(top, INDEX)
        for _ in levels((link.digest for link in top), self._read_level, self._limits):
            pass
        self._check_types(top, INDEX)
        documents: dict[Digest, Document] = {}
        configs: dict[Digest, ImageConfig] = {}
        artifacts: dict[Digest, NotAnImage] = {}
        found = (link.digest for link in top if link.digest in self._documents)
        for digest in bottom_up(found, self._below):
            document = self._documents[digest]
            self._check_types(document.children, f"index {digest}")
            documents[digest] = document
            try:
                config = described_image(
                    document, self._limits.inline_bytes, partial(self._config, document)
                )
                if isinstance(config, NotAnImage):
                    artifacts[digest] = config
                else:
                    self._labels.add_config(config)
                    configs[digest] = config
            except TooLarge:
                # Each further document may cost as much.
                raise
            except FAULTS as exc:
                self._note_fault(digest, exc)
        return Graph(roots, documents, configs, artifacts, self._faults)

    def _note_fault(self, digest: Digest, error: StoreError) -> None:
        """Keep the first error of a document."""
        if digest not in self._faults:
            self._faults[digest] = kept(error)

    def _list(self, links: Iterable[Link], where: str) -> list[Digest]:
        """Keep the first link to each document; return the digests of the documents."""
        some = [link for link in links if where == INDEX or link.is_document]
        for link in some:
            self._listed.setdefault(link.digest, (link, where))
        return [link.digest for link in some]

    def _read_level(self, digests: Iterable[Digest]) -> list[Digest]:
        """Read the documents of one level; return the digests of the documents they list."""
        below: list[Digest] = []
        for digest in digests:
            try:
                document = self._read(digest)
            except TooLarge:
                # Each further document may cost as much.
                raise
            except FAULTS as exc:
                self._note_fault(digest, exc)
                continue
            if document is None:
                continue
            self._documents[digest] = document
            if len(self._documents) > self._limits.members:
                raise TooLarge(
                    f"the archive has more than {self._limits.members} manifests",
                    limit=self._limits.members,
                )
            below += self._list(document.children, f"index {digest}")
        return below

    def _read(self, digest: Digest) -> Document | None:
        """Return a listed document, or None if neither the archive nor the store has it.

        Raises:
            StoreError: The document cannot be read, or ``index.json`` lists it and it is absent.
        """
        link, where = self._listed[digest]
        data = self._bytes(link, where)
        if data is None and where == INDEX:
            raise InvalidArchive(
                f"{digest} is listed in index.json, but is neither in the archive nor in the store",
                member=INDEX,
                hint=_ELSEWHERE,
            )
        if data is None:
            return None
        document = Document.parse(
            data, digest=digest, media_type=link.target.media_type, limits=self._limits
        )
        self._labels.add_document(document)
        return document

    def _below(self, digest: Digest) -> Iterator[Digest]:
        return (
            link.digest
            for link in self._documents[digest].children
            if link.is_document and link.digest in self._documents
        )

    def _check_types(self, links: Iterable[Link], where: str) -> None:
        """Note a fault of each document whose media type is not the one that a link states."""
        some = (link for link in links if where == INDEX or link.is_document)
        for digest, error in wrong_types(some, self._documents, where):
            self._note_fault(digest, error)

    def _bytes(self, link: Link, where: str) -> bytes | None:
        data = self._blobs.read(link.target, where)
        if data is None:
            data = link.data if link.data is not None else self._from_store(link.digest)
        if data is not None and len(data) != link.target.size_bytes:
            raise DigestMismatch(
                f"{where}: size of {link.digest}", want=link.target.size_bytes, got=len(data)
            )
        return data

    def _from_store(self, digest: Digest) -> bytes | None:
        """Return the bytes of a document in the store, within a ceiling for all such documents."""
        data = None
        if self._stored_bytes <= self._limits.documents_bytes:
            data = self._stored(digest)
            self._stored_bytes += len(data or b"")
        if self._stored_bytes > self._limits.documents_bytes:
            raise TooLarge(
                "the archive refers to documents in the store with more than"
                f" {self._limits.documents_bytes} bytes in total",
                limit=self._limits.documents_bytes,
                hint="split the archive into several archives",
            )
        return data

    def _config(self, document: Document, link: Link) -> ParsedConfig:
        """Return a manifest's config, or why its bytes are not the config of an image.

        Raises:
            InvalidArchive: The config is missing, and has no download address.
            DigestMismatch: The config is damaged.
        """
        # Thousands of manifests may have the same config: it is read and parsed once.
        found = self._parsed.get(link.digest)
        if found is None or link.target.size_bytes != self._config_bytes.get(link.digest):
            if link.target in self._unreadable:
                raise self._unreadable[link.target]
            try:
                found = self._parsed[link.digest] = self._read_config(document, link)
            except TooLarge:
                raise
            except FAULTS as exc:
                self._unreadable[link.target] = kept(exc)
                raise
        return found

    def _read_config(self, document: Document, link: Link) -> ParsedConfig:
        data = self._bytes(link, f"manifest {document.digest}")
        if data is not None:
            self._config_bytes[link.digest] = len(data)
            return parse_config(data, self._limits, link.digest)
        if link.urls:
            return NotAnImage("its config is neither in the archive nor in the store")
        raise InvalidArchive(
            f"config {link.digest} of manifest {document.digest} is neither in the archive nor in"
            " the store",
            hint=_ELSEWHERE,
        )
