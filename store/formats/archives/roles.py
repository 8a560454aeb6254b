"""The roles of the entries in ``index.json``: images, and what is attached to images.

Cosign and hauler list an image and its signature in one ``index.json``. Hauler gives both the same
name. The annotation ``kind`` tells them apart. In registries, cosign gives the signature of a
manifest a tag that is made of the manifest's digest.

Source: sigstore/cosign, pkg/oci/layout; hauler-dev/hauler, pkg/consts and pkg/store;
distribution-spec, "Referrers Tag Schema".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from store.errors import printable
from store.formats.archives.claims import Attachment
from store.model.digests import Digest
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from store.formats.archives.claims import Root

KIND: Final = "kind"
"""The annotation of cosign and hauler that states the role of an entry."""

_PREFIXES: Final = ("dev.cosignproject.cosign/", "dev.hauler/")
_REFERRERS: Final = "referrers"
_SUFFIXES: Final = {"sigs": ".sig", "atts": ".att", "sboms": ".sbom"}
"""The end of cosign's tag, by the last part of the kind."""

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


def is_attached(kind: str) -> bool:
    """Whether an entry of this kind belongs to an image, and so has no name of its own."""
    return kind in _SUFFIXES or kind == _REFERRERS


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
        if root.attachment is None and (root.digest not in belonging or root.names or root.bare):
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
