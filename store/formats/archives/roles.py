"""The roles of the entries in ``index.json``: images, and what is attached to images.

Cosign and hauler list an image and its signature in one ``index.json``. Hauler gives both the same
name. The annotation ``kind`` tells them apart. In registries, cosign gives the signature of a
manifest a tag that is made of the manifest's digest.

The archives of hauler since version 2 are layouts that lack ``oci-layout``.

``cosign save`` of cosign 3 writes the bundles of an image and then the image, each time with a new
``index.json``. So the last one lists only the image. ``cosign load`` finds the bundles among the
blobs, by their ``subject``.

Source: sigstore/cosign v3.1.3, pkg/oci/layout, cmd/cosign/cli/save.go and pkg/oci/remote/write.go;
hauler-dev/hauler, pkg/consts and pkg/store; distribution-spec, "Referrers Tag Schema".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from store.errors import InvalidInput, printable
from store.formats.archives.claims import Attachment
from store.formats.image.layout_names import SUBJECT
from store.formats.image.manifests import Document, Link, Role
from store.model.digests import Descriptor, Digest
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from store.formats.archives.claims import Root
    from store.formats.archives.layout_documents import Files
    from store.model.limits import Limits

KIND: Final = "kind"
"""The annotation of cosign and hauler that states the role of an entry."""

_COSIGN: Final = "dev.cosignproject.cosign/"
_PREFIXES: Final = (_COSIGN, "dev.hauler/")
_REFERRERS: Final = "referrers"
_SUFFIXES: Final = {"sigs": ".sig", "atts": ".att", "sboms": ".sbom"}
"""The end of cosign's tag, by the last part of the kind."""

_HAUL: Final = re.compile(
    rb'"kind"\s*:\s*"(?:%b)' % b"|".join(re.escape(one.encode()) for one in _PREFIXES)
)
"""The annotation ``kind`` in JSON. Before version 2, hauler wrote the kinds of cosign."""

_BLOBS: Final = "blobs/sha256"
_BLOB: Final = re.compile("[0-9a-f]{64}")
_MAX_UNLISTED_BYTES: Final = 16 << 10
"""The largest blob that may be a bundle's manifest, which has about a kilobyte."""

_MAX_SEARCHED_BYTES: Final = 16 << 20
"""The most bytes that are read in search of bundles: a part of the ceiling for documents."""

_TAG: Final = re.compile(r"sha256-(?P<hex>[0-9a-f]{64})(?P<suffix>\.sig|\.att|\.sbom)?")


def stated_kind(annotations: Mapping[str, str]) -> str:
    """Return the last part of the annotation ``kind``, or an empty string for other kinds.

    The kind ``referrers`` of hauler ends with a digest, which is left out.
    """
    kind = annotations.get(KIND, "")
    for prefix in _PREFIXES:
        if kind.startswith(prefix):
            return kind.removeprefix(prefix).partition("/")[0]
    return ""


def is_haul(index: bytes) -> bool:
    """Whether hauler wrote an ``index.json``. Its archives may lack ``oci-layout``.

    Without that file, containerd and Docker read only ``manifest.json``, which does not list
    signatures, charts and files.
    """
    return _HAUL.search(index) is not None


def is_of_cosign(annotations: Mapping[str, str]) -> bool:
    """Whether cosign wrote an entry with these annotations."""
    return annotations.get(KIND, "").startswith(_COSIGN)


def is_attached(kind: str) -> bool:
    """Whether an entry of this kind belongs to an image, and so has no name of its own."""
    return kind in _SUFFIXES or kind == _REFERRERS


def unlisted_referrers(
    files: Files, listed: Collection[Digest], limits: Limits, notes: list[str]
) -> list[Link]:
    """Return a link to each manifest in the blobs whose ``subject`` is listed.

    Each link states the subject, as Docker 29 does in ``index.json``. Files that are not manifests
    are passed over.

    Args:
        files: Access to the layout's files.
        listed: The digests of the entries in ``index.json``.
        limits: Ceilings for the documents.
        notes: Receives a note if there are too many small files to read them all.

    Raises:
        TooLarge: The files exceed the ceiling for documents together.
    """
    if not files.exists(_BLOBS):
        return []
    links: list[Link] = []
    searched = 0
    for name in files.names_in(_BLOBS):
        path = f"{_BLOBS}/{name}"
        digest = Digest("sha256", name) if _BLOB.fullmatch(name) else None
        if digest is None or digest in listed or not files.exists(path):
            continue
        size = files.size(path)
        if size > _MAX_UNLISTED_BYTES:
            continue
        searched += size
        if searched > _MAX_SEARCHED_BYTES:
            notes.append(
                "not all blobs were searched for bundles of cosign that index.json does not list:"
                " there are too many small ones"
            )
            break
        data = files.document(path)
        if not data.startswith(b"{"):
            continue
        try:
            document = Document.parse(data, digest=digest, limits=limits)
        except InvalidInput:
            continue
        if document.subject is not None and document.subject.digest in listed:
            target = Descriptor(document.media_type, digest, len(data))
            stated = {SUBJECT: str(document.subject.digest)}
            links.append(Link(Role.CHILD, len(links), target, annotations=stated))
    return links


def attachment_of_tag(tag: str) -> Attachment | None:
    """Return the attachment that a tag of cosign names, or None for any other tag."""
    match = _TAG.fullmatch(tag)
    return (
        None if match is None else Attachment(Digest("sha256", match["hex"]), match["suffix"] or "")
    )


@final
@dataclass(frozen=True, slots=True)
class Attached:
    """An entry of ``index.json`` that belongs to an image.

    Attributes:
        digest: The digest of the entry.
        kind: The kind of the entry (see `is_attached`).
        name: The name or tag that the entry shares with the image; empty if it has none.
    """

    digest: Digest
    kind: str
    name: str


def with_attachments(
    roots: Iterable[Root], attached: Sequence[Attached], notes: list[str]
) -> tuple[Root, ...]:
    """Return the roots with their attachments.

    Args:
        roots: The roots of an archive, without attachments.
        attached: The entries that belong to images.
        notes: Receives a note for each entry whose image is not in the archive.
    """
    found = {root.digest: _by_tag(root) for root in roots}
    belonging = {one.digest for one in attached}
    images: dict[str, list[Digest]] = {}
    for root in found.values():
        is_image = root.subject is None and root.digest not in belonging
        if root.attachment is None and (is_image or root.names or root.bare):
            for name in (*root.names, *root.bare, ""):
                images.setdefault(name, []).append(root.digest)
    for one in attached:
        suffix = _SUFFIXES.get(one.kind)
        root = found[one.digest]
        if suffix is None or root.attachment is not None or root.names or root.bare:
            continue
        subjects = images.get(one.name, ())
        if len(subjects) == 1:
            attachment = Attachment(subjects[0], suffix)
            found[one.digest] = replace(root, attachment=attachment)
        else:
            name = f" of {printable(one.name)}" if one.name else ""
            notes.append(
                f"{one.digest} has no name: the archive does not say which image it belongs to"
                f" (kind {one.kind}{name})"
            )
    return tuple(found.values())


def _by_tag(root: Root) -> Root:
    """Return a root with the attachment that all of its own tags name."""
    written = (Reference.parse(name).tag for name in root.names)
    tags = {*root.bare, *(tag for tag in written if tag is not None)}
    named = {attachment_of_tag(tag) for tag in tags}
    return replace(root, attachment=named.pop()) if len(named) == 1 else root
