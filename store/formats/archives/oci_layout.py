"""Functions that read OCI image layouts and skopeo's ``dir:`` folders into claims.

Source: OCI image-spec, image-layout.md; containers/image, directory transport.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, final

from store.errors import (
    InvalidArchive,
    InvalidDigest,
    InvalidDocument,
    StoreError,
    printable,
)
from store.formats.archives.claims import ArchiveClaim, Root
from store.formats.archives.faults import kept
from store.formats.archives.layout_documents import DocumentWalk, dir_blob_paths, oci_blob_paths
from store.formats.archives.layout_entry_names import EntryNames, names_of_entry
from store.formats.archives.roles import (
    Attached,
    is_attached,
    is_of_cosign,
    stated_kind,
    unlisted_referrers,
    with_attachments,
)
from store.formats.golang.json import parse
from store.formats.golang.structs import Struct, member, unmarshal
from store.formats.golang.types import STRING
from store.formats.image.deterministic import holding_index
from store.formats.image.layout_names import (
    INDEX,
    LAYOUT,
    SUBJECT,
)
from store.formats.image.manifests import Document, Link, Role, refuse_withdrawn, schema_1
from store.formats.image.media_types import OCI_INDEX, SCHEMA_1, is_document
from store.model.digests import Descriptor, Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from store.formats.archives.layout_documents import Files
    from store.formats.image.label_budget import LabelBudget
    from store.model.limits import Limits

MANIFEST: Final = "manifest.json"
DIR_VERSION: Final = "version"
DIR_MAGIC: Final = b"Directory Transport Version: "


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
    """Return the claims of an OCI layout, which may lack ``oci-layout`` (see `is_haul`).

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
    if files.exists(LAYOUT):
        _require_version(files.document(LAYOUT), limits)
    data = files.document(INDEX)
    # The list of the archive may be longer than that of an index.
    top = Document.parse(
        data, limits=replace(limits, manifest_entries=limits.json_values), name=INDEX
    )
    if not top.children and top.links:
        raise InvalidDocument("expected an index, found a manifest", document=INDEX)
    entries = _Entries(limits)
    for link in top.children:
        entries.add(link)
    if any(is_of_cosign(link.annotations) for link in top.children):
        listed = {link.digest for link in top.children}
        for link in unlisted_referrers(files, listed, limits, entries.notes):
            entries.add(link)
    graph = DocumentWalk(oci_blob_paths(files), limits, stored, labels).graph(
        entries.roots(), entries.links, entries.faults
    )
    return ArchiveClaim(Digest.of(data), (), tuple(dict.fromkeys(entries.notes)), graph)


def _require_version(data: bytes, limits: Limits) -> None:
    """Check the version of the layout.

    Raises:
        InvalidDocument: ``oci-layout`` is not valid, or states an unknown version.
    """
    version = unmarshal(_LAYOUT, parse(data, limits, document=LAYOUT), document=LAYOUT).version
    if version.partition(".")[0] != "1":
        raise InvalidDocument(
            f"unsupported imageLayoutVersion {printable(version)!r}: expected 1.0.0",
            document=LAYOUT,
            hint="write the layout in version 1.0.0, or use a newer version of this program",
        )


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
    graph = DocumentWalk(dir_blob_paths(files), limits, stored).graph((Root(digest),), (link,))
    return ArchiveClaim(digest, (), notes, graph)


@final
@dataclass(slots=True)
class _Entries:
    """The entries of ``index.json``, one root for each digest.

    Attributes:
        limits: Ceilings for documents.
        links: The links to the documents of the roots.
        faults: The errors of entries, by the digest of the root.
        notes: Facts that the user should know.
    """

    limits: Limits
    links: list[Link] = field(default_factory=list)
    faults: dict[Digest, StoreError] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _roots: dict[Digest, Root] = field(default_factory=dict)
    _attached: list[Attached] = field(default_factory=list)

    def add(self, link: Link) -> None:
        """Add an entry."""
        error = _refused(link.target.media_type, f"{INDEX}: {link.digest}")
        if error is not None:
            self.faults.setdefault(link.digest, error)
        elif link.target.media_type and not is_document(link.target.media_type):
            link = _held(link)
        self.links.append(link)
        root = self._roots.get(link.digest) or Root(
            link.digest, platform=link.made_for, subject=_subject(link.annotations)
        )
        given = names_of_entry(link.annotations, link.digest)
        kind = stated_kind(link.annotations)
        if is_attached(kind):
            name = next(iter(given.names), given.bare)
            self._attached.append(Attached(link.digest, kind, name))
            given = EntryNames()
        self._roots[link.digest] = replace(
            root,
            names=_with(root.names, *given.names),
            bare=_with(root.bare, given.bare),
            unusable=_with(root.unusable, *given.unusable),
        )

    def roots(self) -> tuple[Root, ...]:
        """Return the roots, each with its names and its attachment."""
        return with_attachments(self._roots.values(), self._attached, self.notes)


def _subject(annotations: Mapping[str, str]) -> Digest | None:
    """Return the digest of the subject that a descriptor states, or None if it states none."""
    try:
        return Digest.parse(annotations[SUBJECT]) if SUBJECT in annotations else None
    except InvalidDigest:
        return None


def _refused(media_type: str, where: str) -> StoreError | None:
    """Return the error for a type of manifests that is not supported, or None for other types."""
    if media_type in SCHEMA_1:
        return kept(schema_1(where))
    try:
        refuse_withdrawn(media_type, where)
    except InvalidDocument as exc:
        return kept(exc)
    return None


def _with(texts: tuple[str, ...], *more: str) -> tuple[str, ...]:
    """Return ``texts`` with ``more``, each once and without empty texts."""
    return tuple(dict.fromkeys(text for text in (*texts, *more) if text))


def _held(link: Link) -> Link:
    """Return a link to an index that lists only the target of ``link``.

    The media type of the target is neither that of a manifest nor of an index. Implementations must
    not refuse such an entry (image-layout.md). The index keeps the content in the store.
    """
    data = holding_index(link)
    target = Descriptor(OCI_INDEX, Digest.of(data), len(data))
    return replace(link, target=target, data=data, urls=(), artifact_type="")
