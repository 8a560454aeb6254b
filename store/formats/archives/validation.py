"""Functions that check the chosen part of an archive, and raise the errors that its claim kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from store.errors import InvalidDocument, InvalidInput, printable
from store.formats.image.layout_names import INDEX
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from store.formats.archives.claims import ArchiveClaim, Graph
    from store.model.digests import Digest

_SHOWN: Final = 10


def raise_faults(claim: ArchiveClaim) -> None:
    """Raise the first error that a claim kept.

    Args:
        claim: The chosen part of an archive's claims.

    Raises:
        StoreError: A chosen image or document cannot be read, or contradicts another document.
    """
    for error in claim.graph.faults.values():
        raise error
    for image in claim.broken:
        raise image.error


def validate(claim: ArchiveClaim, *, require_all: bool) -> None:
    """Check the names of a claim, and that it is complete if it has to be.

    Args:
        claim: The chosen part of an archive's claims, with the names for the store.
        require_all: Whether all content of the indexes must be present.

    Raises:
        InvalidDocument: Two documents have the same name.
        InvalidInput: Content of an index is absent, and ``require_all`` is True.
    """
    holders: dict[str, Digest] = {}
    for root in claim.graph.roots:
        for name in root.names:
            if holders.setdefault(name, root.digest) != root.digest:
                raise InvalidDocument(
                    f"the name {printable(name)} is given to {holders[name]} and to {root.digest}",
                    document=INDEX,
                    hint="edit index.json so that each name has one image",
                )
    absent = _absent(claim.graph)
    if absent and require_all:
        raise InvalidInput(
            f"the indexes list content that neither the archive nor the store has: {absent}",
            hint="import an archive that has all of this content",
            remedy=Remedy.ACCEPT_SPARSE,
        )


def with_sparse_notes(claim: ArchiveClaim) -> ArchiveClaim:
    """Return a claim with a note on the content of its indexes that is absent."""
    absent = _absent(claim.graph)
    note = f"sparse index: neither the archive nor the store has {absent}"
    return replace(claim, notes=tuple(dict.fromkeys((*claim.notes, *([note] if absent else ())))))


def _absent(graph: Graph) -> str:
    """Return the absent manifests of a graph's indexes as a text; empty if there are none."""
    texts = [
        f"{link.made_for or link.artifact_type or 'unknown'} ({link.digest})"
        for _, link in graph.absent()
    ]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(printable(text) for text in texts[:_SHOWN]) + more
