"""Functions that read OCI image layouts and skopeo's ``dir:`` folders into claims.

Source: OCI image-spec, image-layout.md; containers/image, directory transport.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, final

from store.errors import (
    DigestMismatch,
    InvalidArchive,
    InvalidDigest,
    InvalidDocument,
    InvalidReference,
    TooLarge,
    printable,
)
from store.formats.archives.claims import ArchiveClaim, Graph, Root
from store.formats.golang.json import parse
from store.formats.golang.structs import Struct, member, unmarshal
from store.formats.golang.types import STRING
from store.formats.image.described_image import NotAnImage, described_image, parse_config
from store.formats.image.graph_walk import bottom_up, levels
from store.formats.image.label_budget import LabelBudget
from store.formats.image.layout_names import CONTAINERD_NAME, INDEX, LAYOUT, REF_NAME
from store.formats.image.manifests import Document, Link, Role, refuse_withdrawn, schema_1
from store.formats.image.media_types import SCHEMA_1, is_document
from store.model.digests import Descriptor, Digest
from store.model.references import Reference, is_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from store.formats.image.config import ImageConfig
    from store.formats.image.described_image import ParsedConfig
    from store.model.limits import Limits

MANIFEST: Final = "manifest.json"
DIR_VERSION: Final = "version"
DIR_MAGIC: Final = b"Directory Transport Version: "
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

    The name of a manifest has a suffix, and some names begin with the digest's algorithm.
    """
    return BlobPaths(
        files,
        lambda digest: (
            digest.hex,
            f"{digest.hex}.manifest.json",
            f"{digest.algorithm}-{digest.hex}",
            str(digest),
        ),
    )


@final
@dataclass(frozen=True, slots=True)
class _Layout:
    version: str = member("imageLayoutVersion", STRING)


_LAYOUT: Final = Struct(_Layout)


def claim(
    files: Files,
    limits: Limits,
    stored: Callable[[Digest], bytes | None],
    *,
    labels: LabelBudget | None = None,
) -> ArchiveClaim:
    """Return the claims of an OCI layout.

    Args:
        files: Access to the layout's files. Errors of an access are raised unchanged.
        limits: Ceilings for the documents.
        stored: Returns the bytes of a document in the store; None if the store does not have it.
        labels: Counts the labels together with those of other documents; None if the archive has
            no other documents.

    Raises:
        InvalidDocument: A document is not valid, or two documents disagree.
        InvalidArchive: A root or a config is neither in the archive nor in the store.
        DigestMismatch: A document does not have the size or digest in its descriptor.
        MissingMember: A file of the layout is missing.
        TooLarge: The archive exceeds a ceiling of ``limits``.
    """
    version = unmarshal(
        _LAYOUT, parse(files.document(LAYOUT), limits, document=LAYOUT), document=LAYOUT
    ).version
    if version.partition(".")[0] != "1":
        raise InvalidDocument(
            f"unsupported imageLayoutVersion {printable(version)!r}: expected 1.0.0",
            document=LAYOUT,
            hint="write the layout in version 1.0.0, or use a newer version of this program",
        )
    data = files.document(INDEX)
    # The list of the archive may be longer than that of an index.
    top = Document.parse(
        data, limits=replace(limits, manifest_entries=limits.json_values), name=INDEX
    )
    if not top.children and top.links:
        raise InvalidDocument("expected an index, found a manifest", document=INDEX)
    notes: list[str] = []
    roots = _roots(top.children, notes)
    graph = _Walk(oci_blob_paths(files), limits, stored, labels).graph(roots, top.children)
    return ArchiveClaim(Digest.of(data), (), tuple(dict.fromkeys(notes)), graph)


def claim_dir(
    files: Files, limits: Limits, stored: Callable[[Digest], bytes | None]
) -> ArchiveClaim:
    """Return the claims of a ``dir:`` folder: one manifest or index, without a name.

    Args:
        files: Access to the folder's files. Errors of an access are raised unchanged.
        limits: Ceilings for the documents.
        stored: Returns the bytes of a document in the store; None if the store does not have it.

    Raises:
        InvalidDocument: A document is not valid, or two documents disagree.
        InvalidArchive: The folder has an unknown version, or a config is neither in the folder nor
            in the store.
        DigestMismatch: A document does not have the size or digest in its descriptor.
        MissingMember: A file of the folder is missing.
        TooLarge: The archive exceeds a ceiling of ``limits``.
    """
    version = files.document(DIR_VERSION).removeprefix(DIR_MAGIC).strip()
    if not version.startswith(b"1."):
        shown = printable(version[:20].decode(errors="replace"))
        raise InvalidArchive(
            f"unsupported version {shown!r} of a dir: folder: expected 1.1",
            member=DIR_VERSION,
            hint="write the folder in version 1.1, or use a newer version of this program",
        )
    data = files.document(MANIFEST)
    digest = Digest.of(data)
    document = Document.parse(data, limits=limits, name=MANIFEST)
    link = Link(Role.CHILD, 0, Descriptor(document.media_type, digest, len(data)), data=data)
    notes = (
        ("the signatures in the folder were not imported",) if files.exists("signature-1") else ()
    )
    graph = _Walk(dir_blob_paths(files), limits, stored).graph((Root(digest),), (link,))
    return ArchiveClaim(digest, (), notes, graph)


def _roots(links: Iterable[Link], notes: list[str]) -> tuple[Root, ...]:
    names: dict[Digest, dict[str, None]] = {}
    bare: dict[Digest, dict[str, None]] = {}
    holder: dict[str, Digest] = {}
    for link in links:
        if link.target.media_type in SCHEMA_1:
            raise schema_1(f"{INDEX}: {link.digest}")
        refuse_withdrawn(link.target.media_type, f"{INDEX}: {link.digest}")
        if link.target.media_type and not is_document(link.target.media_type):
            raise InvalidDocument(
                f"the media type of {link.digest} is {printable(link.target.media_type)!r}:"
                " expected a manifest or an index",
                document=INDEX,
            )
        names.setdefault(link.digest, {})
        bare.setdefault(link.digest, {})
        name, tag = _name(link.annotations, notes)
        if name and holder.setdefault(name, link.digest) != link.digest:
            raise InvalidDocument(
                f"the name {printable(name)} is given to {holder[name]} and to {link.digest}",
                document=INDEX,
                hint="edit index.json so that each name has one image",
            )
        if name:
            names[link.digest][name] = None
        if tag:
            bare[link.digest][tag] = None
    return tuple(Root(digest, tuple(some), tuple(bare[digest])) for digest, some in names.items())


def _name(annotations: Mapping[str, str], notes: list[str]) -> tuple[str, str]:
    """Return (full name, tag without a repository) from a descriptor's annotations.

    At least one of the two is empty.
    """
    full, reference = annotations.get(CONTAINERD_NAME, ""), annotations.get(REF_NAME, "")
    if full or "/" in reference or ":" in reference:
        text = full or reference
        try:
            name = Reference.parse(text).with_default_tag()
        except (InvalidReference, InvalidDigest):
            notes.append(f"ignored the invalid image name {printable(text)!r}")
            return "", ""
        return (str(name), "") if name.digest is None else ("", "")
    if reference and not is_tag(reference):
        notes.append(f"ignored the invalid image name {printable(reference)!r}")
        return "", ""
    return "", reference


@final
class _Walk:
    """A reader of an archive's documents that walks from the roots down."""

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
        self._stored_bytes = 0

    def graph(self, roots: tuple[Root, ...], links: Iterable[Link]) -> Graph:
        top = tuple(links)
        self._list(top, INDEX)
        for _ in levels((link.digest for link in top), self._read_level, self._limits):
            pass
        self._require_one_type(top, INDEX)
        documents: dict[Digest, Document] = {}
        configs: dict[Digest, ImageConfig] = {}
        artifacts: dict[Digest, NotAnImage] = {}
        for digest in bottom_up((link.digest for link in top), self._below):
            document = self._documents[digest]
            self._require_one_type(document.children, f"index {digest}")
            documents[digest] = document
            config = described_image(document, self._limits, partial(self._config, document))
            if isinstance(config, NotAnImage):
                artifacts[digest] = config
            else:
                self._labels.add_config(config)
                configs[digest] = config
        return Graph(roots, documents, configs, artifacts)

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
            link, where = self._listed[digest]
            data = self._bytes(link, where)
            if data is None and where == INDEX:
                raise InvalidArchive(
                    f"{digest} is listed in index.json, but is neither in the archive nor in the"
                    " store",
                    member=INDEX,
                    hint=_ELSEWHERE,
                )
            if data is None:
                continue
            self._documents[digest] = document = Document.parse(
                data, digest=digest, media_type=link.target.media_type, limits=self._limits
            )
            self._labels.add_document(document)
            if len(self._documents) > self._limits.members:
                raise TooLarge(
                    f"the archive has more than {self._limits.members} manifests",
                    limit=self._limits.members,
                )
            below += self._list(document.children, f"index {digest}")
        return below

    def _below(self, digest: Digest) -> Iterator[Digest]:
        return (
            link.digest
            for link in self._documents[digest].children
            if link.is_document and link.digest in self._documents
        )

    def _require_one_type(self, links: Iterable[Link], where: str) -> None:
        """Check that all links to a document state the document's media type.

        Raises:
            InvalidDocument: A link states a different media type.
        """
        for link in links:
            known = self._documents.get(link.digest)
            if (
                known is not None
                and (where == INDEX or link.is_document)
                and link.target.media_type not in ("", known.media_type)
            ):
                raise InvalidDocument(
                    f"the media type of {link.digest} is {known.media_type!r}, but it is listed as"
                    f" {printable(link.target.media_type)!r}",
                    document=where,
                )

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
        """
        # Thousands of manifests may have the same config: it is read and parsed once.
        found = self._parsed.get(link.digest)
        if found is None or link.target.size_bytes != self._config_bytes.get(link.digest):
            data = self._bytes(link, f"manifest {document.digest}")
            if data is not None:
                self._config_bytes[link.digest] = len(data)
                found = parse_config(data, self._limits, link.digest)
            elif link.urls:
                found = NotAnImage("its config is neither in the archive nor in the store")
            else:
                raise InvalidArchive(
                    f"config {link.digest} of manifest {document.digest} is neither in the archive"
                    " nor in the store",
                    hint=_ELSEWHERE,
                )
            self._parsed[link.digest] = found
        return found
