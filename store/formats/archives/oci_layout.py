"""OCI image layouts and skopeo's ``dir:`` folders: what they claim (OCI image-spec, image-layout.md; containers/image, directory transport)."""

from __future__ import annotations

from dataclasses import dataclass
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
from store.formats.image.config import ImageConfig
from store.formats.image.layout_names import CONTAINERD_NAME, INDEX, LAYOUT, REF_NAME
from store.formats.image.manifests import Document, Link, Role, schema_1
from store.formats.image.media_types import SCHEMA_1, is_document
from store.model.digests import Descriptor, Digest
from store.model.references import Reference, is_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from store.model.limits import Limits

MANIFEST: Final = "manifest.json"
DIR_VERSION: Final = "version"
DIR_MAGIC: Final = b"Directory Transport Version: "
DEPTH: Final = 32
"""How deep indexes may be nested."""

_ELSEWHERE: Final = (
    "import an archive that carries it first, or make this one anew with everything in it"
)


class Files(Protocol):
    """What a layout is read from (see `store.importing.members.members.Members`)."""

    def exists(self, path: str) -> bool:
        """Whether anything is at a path."""

    def size(self, path: str) -> int:
        """The size of a file in bytes."""

    def document(self, path: str) -> bytes:
        """The bytes of a small file."""


@final
@dataclass(frozen=True, slots=True)
class BlobPaths:
    """Where the blobs of a layout lie."""

    files: Files
    paths: Callable[[Digest], tuple[str, ...]]

    def find(self, digest: Digest) -> str | None:
        """The path of a blob; None when it is not here. Raises UnsafePath."""
        return next((path for path in self.paths(digest) if self.files.exists(path)), None)

    def checked(self, target: Descriptor, where: str) -> str | None:
        """The path of a blob whose size fits its descriptor; None when it is not here.

        Raises DigestMismatch.
        """
        path = self.find(target.digest)
        if path is not None and (size := self.files.size(path)) != target.size_bytes:
            raise DigestMismatch(
                f"{where}: size of {target.digest}",
                want=target.size_bytes,
                got=size,
                hint="the blob is cut short, or its descriptor lies",
            )
        return path

    def read(self, target: Descriptor, where: str) -> bytes | None:
        """A small blob, verified; None when it is not here. Raises DigestMismatch, TooLarge."""
        path = self.checked(target, where)
        if path is None:
            return None
        data = self.files.document(path)
        got = Digest.of(data, target.digest.algorithm)
        if got != target.digest:
            raise DigestMismatch(
                f"{where}: content of {printable(path)!r}",
                want=target.digest,
                got=got,
                hint="the blob is damaged",
            )
        return data


def oci_place(files: Files) -> BlobPaths:
    """The blobs of an OCI layout."""
    return BlobPaths(files, lambda digest: (f"blobs/{digest.algorithm}/{digest.hex}",))


def dir_place(files: Files) -> BlobPaths:
    """The blobs of a ``dir:`` folder: named by their bare digits, manifests with a suffix."""
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


def claim(files: Files, limits: Limits, stored: Callable[[Digest], bytes | None]) -> ArchiveClaim:
    """What an OCI layout claims. ``stored`` gives documents that the store has already.

    Raises InvalidDocument, InvalidArchive, DigestMismatch, MissingMember, and whatever ``files``
    raises.
    """
    version = unmarshal(
        _LAYOUT, parse(files.document(LAYOUT), limits, document=LAYOUT), document=LAYOUT
    ).version
    if version.partition(".")[0] != "1":
        raise InvalidDocument(
            f"image layout version {printable(version)!r}, expected 1.0.0",
            document=LAYOUT,
            hint="this is the only version there is; a newer one needs a newer storectl",
        )
    data = files.document(INDEX)
    top = Document.parse(data, limits=limits, name=INDEX)
    if not top.children and top.links:
        raise InvalidDocument("is a manifest, expected an index", document=INDEX)
    notes: list[str] = []
    roots = _roots(top.children, notes)
    graph = _Walk(oci_place(files), limits, stored).graph(roots, top.children)
    return ArchiveClaim(Digest.of(data), (), tuple(dict.fromkeys(notes)), graph)


def claim_dir(
    files: Files, limits: Limits, stored: Callable[[Digest], bytes | None]
) -> ArchiveClaim:
    """What a ``dir:`` folder claims: one manifest or index, without a name. Raises as `claim`."""
    version = files.document(DIR_VERSION).removeprefix(DIR_MAGIC).strip()
    if not version.startswith(b"1."):
        shown = printable(version[:20].decode(errors="replace"))
        raise InvalidArchive(
            f"a dir: folder of version {shown!r}, expected 1.1",
            member=DIR_VERSION,
            hint="a newer one needs a newer storectl",
        )
    data = files.document(MANIFEST)
    digest = Digest.of(data)
    document = Document.parse(data, limits=limits, name=MANIFEST)
    link = Link(Role.CHILD, 0, Descriptor(document.media_type, digest, len(data)), data=data)
    notes = (
        ("the signatures in the folder are not taken in",) if files.exists("signature-1") else ()
    )
    graph = _Walk(dir_place(files), limits, stored).graph((Root(digest),), (link,))
    return ArchiveClaim(digest, (), notes, graph)


def _roots(links: Iterable[Link], notes: list[str]) -> tuple[Root, ...]:
    names: dict[Digest, dict[str, None]] = {}
    bare: dict[Digest, dict[str, None]] = {}
    holder: dict[str, Digest] = {}
    for link in links:
        if link.target.media_type in SCHEMA_1:
            raise schema_1(f"{INDEX}: {link.digest}")
        if link.target.media_type and not is_document(link.target.media_type):
            raise InvalidDocument(
                f"{link.digest} is a {printable(link.target.media_type)!r}, expected a manifest or"
                " an index",
                document=INDEX,
            )
        names.setdefault(link.digest, {})
        bare.setdefault(link.digest, {})
        name, tag = _name(link.annotations, notes)
        if name and holder.setdefault(name, link.digest) != link.digest:
            raise InvalidDocument(
                f"gives the name {printable(name)} to {holder[name]} and to {link.digest}",
                document=INDEX,
                hint="one name is one image: edit index.json",
            )
        if name:
            names[link.digest][name] = None
        if tag:
            bare[link.digest][tag] = None
    return tuple(Root(digest, tuple(some), tuple(bare[digest])) for digest, some in names.items())


def _name(annotations: Mapping[str, str], notes: list[str]) -> tuple[str, str]:
    """The full name that a descriptor carries, and the tag it carries without one.

    Either may be empty.
    """
    full, reference = annotations.get(CONTAINERD_NAME, ""), annotations.get(REF_NAME, "")
    if full or "/" in reference or ":" in reference:
        text = full or reference
        try:
            name = Reference.parse(text).with_default_tag()
        except (InvalidReference, InvalidDigest):
            notes.append(f"{printable(text)!r} is no name for an image and was left out")
            return "", ""
        return (str(name), "") if name.digest is None else ("", "")
    if reference and not is_tag(reference):
        notes.append(f"{printable(reference)!r} is no name for an image and was left out")
        return "", ""
    return "", reference


@final
class _Walk:
    """Follows the documents from the roots down."""

    def __init__(
        self, place: BlobPaths, limits: Limits, stored: Callable[[Digest], bytes | None]
    ) -> None:
        self._place = place
        self._limits = limits
        self._stored = stored
        self._documents: dict[Digest, Document] = {}
        self._configs: dict[Digest, ImageConfig] = {}
        self._open: set[Digest] = set()

    def graph(self, roots: tuple[Root, ...], links: Iterable[Link]) -> Graph:
        for link in links:
            if self._descend(link, INDEX, 1) is None:
                raise InvalidArchive(
                    f"{link.digest}, which index.json lists, is neither in the archive nor in the"
                    " store",
                    member=INDEX,
                    hint=_ELSEWHERE,
                )
        return Graph(roots, self._documents, self._configs)

    def _descend(self, link: Link, where: str, depth: int) -> Document | None:
        known = self._documents.get(link.digest)
        if known is not None:
            if link.target.media_type not in ("", known.media_type):
                raise InvalidDocument(
                    f"{link.digest} is {known.media_type}, but is listed as"
                    f" {printable(link.target.media_type)!r}",
                    document=where,
                )
            return known
        if depth > DEPTH:
            raise InvalidDocument(f"indexes are nested more than {DEPTH} deep", document=where)
        data = self._bytes(link, where)
        if data is None:
            return None
        document = Document.parse(
            data, digest=link.digest, media_type=link.target.media_type, limits=self._limits
        )
        for child in document.children:
            if child.is_document:
                self._descend(child, f"index {document.digest}", depth + 1)
        self._documents[document.digest] = document
        if len(self._documents) > self._limits.members:
            raise TooLarge(
                f"the archive has more than {self._limits.members} manifests",
                limit=self._limits.members,
            )
        config = self._config(document)
        if config is not None:
            self._configs[document.digest] = config
        return document

    def _bytes(self, link: Link, where: str) -> bytes | None:
        data = self._place.read(link.target, where)
        if data is None:
            data = link.data if link.data is not None else self._stored(link.digest)
        if data is not None and len(data) != link.target.size_bytes:
            raise DigestMismatch(
                f"{where}: size of {link.digest}", want=link.target.size_bytes, got=len(data)
            )
        return data

    def _config(self, document: Document) -> ImageConfig | None:
        """The config of a manifest that describes an image; None for anything else."""
        link = document.config
        if link is None or not document.claims_image:
            return None
        name = f"config {link.digest}"
        data = self._bytes(link, f"manifest {document.digest}")
        if data is None:
            raise InvalidArchive(
                f"{name} of manifest {document.digest} is neither in the archive nor in the store",
                hint=_ELSEWHERE,
            )
        try:
            config = ImageConfig.parse(data, self._limits, document=name, digest=link.digest)
        except InvalidDocument:
            if document.layers:
                raise
            # Artifacts without layers borrow the type for an empty config.
            return None
        return config
